import { type OptionProblem, suggest } from "../../core/index.ts";
import { type AliasEntry, type AliasOptions, fallbacksOf, type Keys, targetsOf } from "./_alias-options.ts";

/** What is wrong with the aliases that stand among the targets of others, or that others fall back to. */
export function wrongReferences(aliases: AliasOptions): OptionProblem[] {
  const { targets, fallbacks } = kinds;
  return [
    ...wrongNames(aliases, targets),
    ...wrongNames(aliases, fallbacks),
    ...circles(aliases, targets),
    ...circles(aliases, fallbacks),
  ];
}

/** A way in which one alias names others. */
interface Kind {
  readonly of: (id: string, entry: AliasEntry) => readonly (readonly [string, Keys])[];
  readonly what: string;
  /** Each alias may have a pool of its own. */
  readonly anyPool: boolean;
  readonly leads: string;
  readonly fix: string;
}

const kinds: { readonly [name in "targets" | "fallbacks"]: Kind } = {
  targets: {
    of: (id, entry) =>
      [...targetsOf(id, entry)].flatMap(([{ alias }, keys]) =>
        alias === undefined ? [] : [[alias, [...keys, "alias"]] as const],
      ),
    what: "a target",
    anyPool: false,
    leads: "leads to itself",
    fix: "take one of these targets out",
  },
  fallbacks: {
    of: (id, entry) =>
      fallbacksOf(id, entry).flatMap(([fallback, keys]) =>
        typeof fallback === "string" ? [[fallback, keys] as const] : [],
      ),
    what: "a fallback",
    anyPool: true,
    leads: "falls back to itself",
    fix: "take one of these fallbacks out",
  },
};

function wrongNames(aliases: AliasOptions, kind: Kind): OptionProblem[] {
  return Object.entries(aliases).flatMap(([id, entry]) =>
    kind.of(id, entry).flatMap(([alias, keys]) => {
      const wrong = whatIsWrong(aliases, { from: id, to: alias, kind });
      return wrong === undefined ? [] : [{ path: keys.join("."), received: alias, ...wrong }];
    }),
  );
}

type Wrong = Pick<OptionProblem, "message" | "fix">;

interface Reference {
  readonly from: string;
  readonly to: string;
  readonly kind: Kind;
}

function whatIsWrong(aliases: AliasOptions, { from, to, kind }: Reference): Wrong | undefined {
  if (!Object.hasOwn(aliases, to)) {
    return { message: `Alias '${to}' not found for alias '${from}'`, fix: whatIsMeant(aliases, from, to) };
  }
  if (to.includes("*")) {
    return { message: `Alias '${to}' has a * and cannot be ${kind.what}`, fix: "give its targets instead" };
  }
  const pool = aliases[from]?.pool ?? "default";
  const other = aliases[to]?.pool ?? "default";
  if (kind.anyPool || other === pool) return undefined;
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
function circles(aliases: AliasOptions, kind: Kind): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const done = new Set<string>();

  function visit(id: string, way: readonly string[]): void {
    const entry = aliases[id];
    if (done.has(id) || entry === undefined) return;
    const here = [...way, id];
    for (const [alias, keys] of kind.of(id, entry)) {
      const start = here.indexOf(alias);
      if (start === -1) visit(alias, here);
      else problems.push({ path: keys.join("."), ...circle([...here.slice(start), alias], kind) });
    }
    done.add(id);
  }

  for (const id of Object.keys(aliases)) visit(id, []);
  return problems;
}

function circle(way: readonly string[], { leads, fix }: Kind): Pick<OptionProblem, "message" | "received" | "fix"> {
  const message = `The alias ${leads}: ${way.join(" -> ")}`;
  return { message, received: way.at(-1), fix };
}
