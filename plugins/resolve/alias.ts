import * as v from "valibot";
import {
  definePlugin,
  type ModelEntry,
  type Plugin,
  type RetryOptions,
  type Route,
  type Setup,
  type Target,
  type Timeouts,
} from "../../core/index.ts";
import { type AliasCandidates, createCandidates } from "./_alias-candidates.ts";
import { scanModel, spliceModel } from "./_model-scan.ts";
import { createPassthrough } from "./_passthrough.ts";
import { createModelReader } from "./_read-model.ts";

export interface AliasTarget {
  /** What the upstream calls the model. */
  model: string;
  /** Only targets with this `provider` label, or with this id. @default every target that serves the model */
  provider?: string;
  /** Share of the alias's traffic; times the weight of the target itself. @default 1 */
  weight?: number;
}

export interface AliasEntry {
  /** In the order that a selector such as `in-order` tries them. */
  targets: readonly AliasTarget[];
  /** Name of the selector. @default the first in the config */
  selector?: string;
  /** Other names for the same. */
  synonyms?: readonly string[];
  /** Shown in the list of models. */
  description?: string;
  /** The pool of the targets. @default "default" */
  pool?: string;
  /** When another target is tried. @default the config's */
  retry?: RetryOptions;
  /** Milliseconds; 0 is no limit. @default the config's */
  timeouts?: Partial<Timeouts>;
}

/** By the name that clients use: up to 255 letters, digits and `_ . : / @ + -`, the first a letter or a digit. */
export interface AliasOptions {
  readonly [name: string]: AliasEntry;
}

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K]> };

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
const whole = v.pipe(v.number(), v.integer("Expected a whole number"));
const milliseconds = v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more")));

const name = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][\w.:/@+-]{0,254}$/,
    "Expected a name of 1 to 255 letters, digits and _ . : / @ + -, the first a letter or a digit",
  ),
);

const targetOptions = v.strictObject({
  model: text,
  provider: v.optional(text),
  weight: v.optional(
    v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.maxValue(1e6, "Expected 1000000 or less")),
  ),
} satisfies Entries<AliasTarget>);

const retryOptions = v.strictObject({
  attempts: v.optional(v.pipe(whole, v.minValue(1, "Expected 1 or more"))),
  on: v.optional(v.array(v.picklist(["connect", "reset", "timeout", "status"]))),
  statuses: v.optional(
    v.array(v.pipe(whole, v.minValue(200, "Expected 200 to 599"), v.maxValue(599, "Expected 200 to 599"))),
  ),
  nonIdempotent: v.optional(v.boolean()),
} satisfies Entries<RetryOptions>);

const timeoutOptions = v.strictObject({
  connect: milliseconds,
  headers: milliseconds,
  idle: milliseconds,
  total: milliseconds,
} satisfies Entries<Partial<Timeouts>>);

const entry = v.strictObject({
  targets: v.pipe(v.array(targetOptions), v.minLength(1, "Expected at least one target")),
  selector: v.optional(text),
  synonyms: v.optional(v.array(name)),
  description: v.optional(v.string()),
  pool: v.optional(text),
  retry: v.optional(retryOptions),
  timeouts: v.optional(timeoutOptions),
} satisfies Entries<AliasEntry>);

const schema: v.GenericSchema<AliasOptions> = v.pipe(
  v.record(name, entry),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { value: aliases } = dataset;
    const takenBy = new Map(Object.keys(aliases).map((id) => [id, id]));
    for (const [id, value] of Object.entries(aliases)) {
      const { synonyms = [] } = value;
      for (const [index, synonym] of synonyms.entries()) {
        const first = takenBy.get(synonym);
        takenBy.set(synonym, id);
        if (first === undefined) continue;
        const message = `The name "${synonym}" is taken by the alias "${first}" already; give one of them another`;
        addIssue({
          message,
          path: [
            { type: "object", origin: "value", input: aliases, key: id, value },
            {
              type: "object",
              origin: "value",
              input: { ...value },
              key: "synonyms",
              value: synonyms,
            },
            { type: "array", origin: "value", input: [...synonyms], key: index, value: synonym },
          ],
        });
      }
    }
  }),
);

interface Named {
  readonly route: Route;
  /** The alias; not the name asked for when that is a synonym. */
  readonly alias: string;
  readonly candidates: AliasCandidates["candidates"];
}

/**
 * Gives models names of their own, each for one or more upstream models.
 *
 * A name in a request's JSON body is looked up as an alias, then as a synonym, then as `provider/model` for the targets of
 * the default pool; case counts. An alias may spread over models and providers that call the model differently: the
 * upstream gets its own name, put into the body's bytes in place of the client's and with nothing else changed. An
 * alias leads to upstream models only, never to another alias. Names that are none of these are left to `model`, which
 * is not needed for this; without it they are a 404. The aliases are listed by `models`. A target that matches twice,
 * for two models, takes part with both weights, but is tried once per request: give one machine two ids to fall back
 * from one of its models to another. Throws at start for a name used twice.
 *
 * @example
 * alias({
 *   fast: { targets: [{ model: "qwen3-8b", weight: 3 }, { model: "gpt-4o-mini", provider: "openai" }], synonyms: ["quick"] },
 * });
 */
export const alias: (options?: AliasOptions) => Plugin = definePlugin({
  name: "alias",
  options: schema,
  setup(proxy, aliases) {
    const { inspect, member } = createModelReader(proxy);
    const passthrough = createPassthrough(proxy);
    const upstreamModels = new WeakMap<Target, string>();
    const names = createNames(proxy, aliases, upstreamModels);
    const passedModel = proxy.slot<string>("alias-passed-model");
    const entries = toModelEntries(aliases);
    proxy.provide("catalog", "alias", { models: () => entries });

    return {
      inspect,
      resolve(x) {
        if (x.model === undefined) return undefined;
        const named = names.get(x.model);
        if (named !== undefined) {
          x.notes?.push(...explain(x.model, named, upstreamModels));
          return named.route;
        }
        const passed = passthrough(x.model);
        if (passed === undefined) return undefined;
        x.notes?.push(`alias: '${x.model}' is the model '${passed.model}' of a provider`);
        passedModel.set(x, passed.model);
        return passed.route;
      },
      upstreamRequest(x) {
        const { body } = x.upstream;
        if (body === null || body === "stream") return;
        const upstreamModel = passedModel.get(x) ?? (x.target && upstreamModels.get(x.target));
        if (upstreamModel === undefined) return;
        // Where the name stands is known of the client's bytes only; another plugin may have put others in their place.
        const found = body === x.body ? member(x) : scanModel(body);
        if (found === undefined || found.model === upstreamModel) return;
        x.upstream.body = spliceModel(body, found.spans, upstreamModel);
        x.notes?.push(`alias: '${found.model}' in the body becomes '${upstreamModel}'`);
      },
    };
  },
});

/** The route of each alias, by the alias and by its synonyms. */
function createNames(
  proxy: Setup,
  aliases: AliasOptions,
  upstreamModels: WeakMap<Target, string>,
): ReadonlyMap<string, Named> {
  const names = new Map<string, Named>();
  for (const [id, { targets, synonyms = [], selector, pool, retry, timeouts }] of Object.entries(aliases)) {
    const { candidates, why } = createCandidates(targets, upstreamModels);
    const route = proxy.createRoute({ name: id, candidates, why, selector, pool, retry, timeouts });
    for (const each of [id, ...synonyms]) names.set(each, { route, alias: id, candidates });
  }
  return names;
}

function explain(
  asked: string,
  { route, alias: id, candidates }: Named,
  upstreamModels: WeakMap<Target, string>,
): string[] {
  const what = asked === id ? `'${id}' is an alias` : `'${asked}' is a synonym of '${id}'`;
  const faces = candidates(route.pool.snapshot.all);
  return [what, ...faces.map((face) => `${face.id} knows it as '${upstreamModels.get(face)}'`)].map(
    (note) => `alias: ${note}`,
  );
}

function toModelEntries(aliases: AliasOptions): readonly ModelEntry[] {
  return Object.entries(aliases).flatMap(([id, { description, synonyms = [] }]) => [
    { id, ...(description !== undefined && { description }) },
    ...synonyms.map((synonym) => ({ id: synonym, description: `Alias for: ${id}` })),
  ]);
}
