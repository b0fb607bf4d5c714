import { type Discovery, type OptionProblem, suggest } from "../../core/index.ts";
import type { ActiveHealthSettings, CheckSettings } from "./_active-options.ts";

/** What is wrong with the options when all of them are put together, and with the rest of the config. */
export function problemsOf(options: ActiveHealthSettings, discoveries: Iterable<Discovery>): OptionProblem[] {
  return [...bodiesOfHeads(options), ...unknownTargets(options, discoveries)];
}

function bodiesOfHeads({ usual, targets }: ActiveHealthSettings): OptionProblem[] {
  const own = [...targets].map(([id, settings]) => [`targets.${id}.`, settings] as const);
  return [["", usual] as const, ...own].flatMap(([path, settings]) =>
    settings !== false && wantsBodyOfHead(settings)
      ? [{ path: `${path}body`, message: "Expected none with the method HEAD, whose answers have no body" }]
      : [],
  );
}

function wantsBodyOfHead({ type, method, body }: CheckSettings): boolean {
  return type === "http" && method === "HEAD" && body !== undefined;
}

/** Ids that no discovery will ever push; where one of them does not say what it pushes, nothing is known. */
function unknownTargets({ targets, pool }: ActiveHealthSettings, discoveries: Iterable<Discovery>): OptionProblem[] {
  const looked = [...discoveries].filter((one) => pool === undefined || (one.pool ?? "default") === pool);
  const known = looked.flatMap((one) => (one.known === undefined ? [] : [one.known]));
  if (known.length === 0 || known.length < looked.length) return [];
  const ids = new Set(known.flat().map(({ id, url }) => id ?? url ?? ""));
  return [...targets.keys()].filter((id) => !ids.has(id)).map((id) => unknownTarget(id, ids));
}

function unknownTarget(id: string, ids: ReadonlySet<string>): OptionProblem {
  const near = suggest(id, ids);
  const fix =
    near === undefined
      ? `known: ${[...ids].slice(0, 8).join(", ")}${ids.size > 8 ? " and others" : ""}`
      : `did you mean "${near}"?`;
  return { path: `targets.${id}`, message: `no discovery of this config has a target "${id}"`, received: id, fix };
}
