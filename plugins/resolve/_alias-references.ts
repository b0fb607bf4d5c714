import { type OptionProblem, suggest } from "../../core/index.ts";
import { type AliasOptions, targetsOf } from "./_alias-options.ts";

/** What is wrong with the aliases that stand among the targets of others. */
export function wrongReferences(aliases: AliasOptions): OptionProblem[] {
  return [...wrongNames(aliases), ...circles(aliases)];
}

function wrongNames(aliases: AliasOptions): OptionProblem[] {
  const problems: OptionProblem[] = [];
  for (const [id, entry] of Object.entries(aliases)) {
    for (const [{ alias }, keys] of targetsOf(id, entry)) {
      if (alias === undefined) continue;
      const wrong = whatIsWrong(aliases, id, alias);
      if (wrong !== undefined) problems.push({ path: [...keys, "alias"].join("."), received: alias, ...wrong });
    }
  }
  return problems;
}

type Wrong = Pick<OptionProblem, "message" | "fix">;

function whatIsWrong(aliases: AliasOptions, from: string, to: string): Wrong | undefined {
  if (!Object.hasOwn(aliases, to)) {
    return { message: `Alias '${to}' not found for alias '${from}'`, fix: whatIsMeant(aliases, from, to) };
  }
  if (to.includes("*")) {
    return { message: `Alias '${to}' has a * and cannot be a target`, fix: "give its targets instead" };
  }
  const pool = aliases[from]?.pool ?? "default";
  const other = aliases[to]?.pool ?? "default";
  if (other === pool) return undefined;
  const message = `Alias '${to}' is of the pool '${other}' and '${from}' of '${pool}'`;
  return { message, fix: "give both the same pool" };
}

function whatIsMeant(aliases: AliasOptions, from: string, to: string): string {
  const [meant] = Object.entries(aliases).find(([, { synonyms = [] }]) => synonyms.includes(to)) ?? [];
  if (meant !== undefined) return `write "${meant}", of which it is a synonym`;
  const names = Object.keys(aliases).filter((id) => id !== from && !id.includes("*"));
  const near = suggest(to, names);
  return near === undefined ? `for a model of that name write { model: "${to}" }` : `did you mean "${near}"?`;
}

/** Each circle once, at the target that closes it. */
function circles(aliases: AliasOptions): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const done = new Set<string>();

  function visit(id: string, way: readonly string[]): void {
    const entry = aliases[id];
    if (done.has(id) || entry === undefined) return;
    const here = [...way, id];
    for (const [{ alias }, keys] of targetsOf(id, entry)) {
      if (alias === undefined) continue;
      const start = here.indexOf(alias);
      if (start === -1) visit(alias, here);
      else problems.push({ path: [...keys, "alias"].join("."), ...circle([...here.slice(start), alias]) });
    }
    done.add(id);
  }

  for (const id of Object.keys(aliases)) visit(id, []);
  return problems;
}

function circle(way: readonly string[]): Pick<OptionProblem, "message" | "received" | "fix"> {
  const message = `The alias leads to itself: ${way.join(" -> ")}`;
  return { message, received: way.at(-1), fix: "take one of these targets out" };
}
