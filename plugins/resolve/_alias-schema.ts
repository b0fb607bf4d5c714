import * as v from "valibot";
import { isPlugin, type Plugin, type RetryOptions, type Timeouts } from "../../core/index.ts";
import {
  type AliasEntry,
  type AliasFallback,
  type AliasFallbackModel,
  type AliasGroup,
  type AliasModelTarget,
  type AliasOptions,
  type AliasReference,
  type AliasTarget,
  type Keys,
  targetsOf,
} from "./_alias-options.ts";

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K]> };

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
const whole = v.pipe(v.number(), v.integer("Expected a whole number"));
const milliseconds = v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more")));
const weight = v.optional(
  v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.maxValue(1e6, "Expected 1000000 or less")),
);

const name = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][\w.:/@+-]{0,254}$/,
    "Expected a name of 1 to 255 letters, digits and _ . : / @ + -, the first a letter or a digit",
  ),
);

const aliasName = v.pipe(
  v.string(),
  v.regex(
    /^(?!.*\*.*\*)[A-Za-z0-9*][\w.:/@+*-]{0,254}$/,
    "Expected a name of 1 to 255 letters, digits and _ . : / @ + -, the first a letter or a digit, with one * at most",
  ),
);

const selector: v.GenericSchema<string | Plugin | undefined> = v.optional(
  v.lazy((input) =>
    typeof input === "string"
      ? text
      : v.custom<Plugin>(isPlugin, "Expected the name of a selector, or one such as leastConnections()"),
  ),
);

const modelTarget = v.strictObject({
  model: text,
  provider: v.optional(text),
  weight,
  enabled: v.optional(v.boolean()),
  alias: v.optional(v.never()),
} satisfies Entries<AliasModelTarget>);

const onlyAlias = v.optional(v.never("Expected either an alias or a model, not both"));

const reference = v.strictObject({
  alias: text,
  weight,
  enabled: v.optional(v.boolean()),
  model: onlyAlias,
  provider: onlyAlias,
} satisfies Entries<AliasReference>);

const targets = v.pipe(
  v.array(
    v.lazy((input): v.GenericSchema<AliasTarget> =>
      typeof input === "object" && input !== null && "alias" in input ? reference : modelTarget,
    ),
  ),
  v.minLength(1, "Expected at least one target"),
);

const group = v.strictObject({ name: v.optional(text), targets, selector } satisfies Entries<AliasGroup>);

const fields: v.GenericSchema<Readonly<Record<string, unknown>> | undefined> = v.optional(
  v.pipe(
    v.record(v.string(), v.unknown()),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [key, value] of Object.entries(dataset.value)) {
        const at = { path: toPath(dataset.value, [key]) };
        if (key === "model") addIssue({ ...at, message: "The model is what the targets say; leave it out here" });
        else if (toJson(value) === undefined) addIssue({ ...at, message: "Expected a value that JSON can hold" });
      }
    }),
  ),
);

const fallbackModel = v.strictObject({
  model: v.pipe(text, v.excludes("*", "Expected the name of one model, without *")),
  provider: v.optional(text),
} satisfies Entries<AliasFallbackModel>);

const fallback: v.GenericSchema<AliasFallback> = v.lazy((input) => (typeof input === "object" ? fallbackModel : text));

const statuses = v.array(v.pipe(whole, v.minValue(400, "Expected 400 to 599"), v.maxValue(599, "Expected 400 to 599")));

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
  targets: v.optional(targets),
  groups: v.optional(v.pipe(v.array(group), v.minLength(1, "Expected at least one group"))),
  selector,
  synonyms: v.optional(v.array(name)),
  description: v.optional(v.string()),
  hidden: v.optional(v.boolean()),
  defaults: fields,
  set: fields,
  pool: v.optional(text),
  fallback: v.optional(
    v.lazy((input): v.GenericSchema<AliasFallback | readonly AliasFallback[]> =>
      Array.isArray(input) ? v.pipe(v.array(fallback), v.minLength(1, "Expected at least one fallback")) : fallback,
    ),
  ),
  fallbackOn: v.optional(statuses),
  retry: v.optional(retryOptions),
  timeouts: v.optional(timeoutOptions),
} satisfies Entries<AliasEntry>);

export const aliasSchema: v.GenericSchema<AliasOptions> = v.pipe(
  v.record(aliasName, entry),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { value } = dataset;
    for (const [message, keys] of [...wrongShapes(value), ...wrongStars(value), ...takenNames(value)]) {
      addIssue({ message, path: toPath(value, keys) });
    }
  }),
);

function* wrongShapes(aliases: AliasOptions): Generator<[string, Keys]> {
  for (const [id, { targets: only, groups, fallback: next, fallbackOn }] of Object.entries(aliases)) {
    if (only === undefined && groups === undefined) yield ["Expected targets, or groups of them", [id, "targets"]];
    if (only !== undefined && groups !== undefined)
      yield ["Expected either targets or groups, not both", [id, "groups"]];
    if (fallbackOn !== undefined && next === undefined)
      yield ["Expected a fallback for these statuses", [id, "fallbackOn"]];
  }
}

function* wrongStars(aliases: AliasOptions): Generator<[string, Keys]> {
  for (const [id, value] of Object.entries(aliases)) {
    if (id.includes("*")) continue;
    for (const [{ model }, keys] of targetsOf(id, value)) {
      if (model?.includes("*") === true)
        yield [`Expected a name without *, as "${id}" has none that it could stand for`, [...keys, "model"]];
    }
  }
}

function* takenNames(aliases: AliasOptions): Generator<[string, Keys]> {
  const takenBy = new Map(Object.keys(aliases).map((id) => [id, id]));
  for (const [id, { synonyms = [] }] of Object.entries(aliases)) {
    for (const [index, synonym] of synonyms.entries()) {
      const first = takenBy.get(synonym);
      takenBy.set(synonym, id);
      if (first === undefined) continue;
      const message = `The name "${synonym}" is taken by the alias "${first}" already; give one of them another`;
      yield [message, [id, "synonyms", index]];
    }
  }
}

function toPath(root: object, keys: Keys): [v.IssuePathItem, ...v.IssuePathItem[]] {
  let input: unknown = root;
  const path = keys.map((key): v.IssuePathItem => {
    const value: unknown = (input as Record<string | number, unknown>)[key];
    const item = { type: "unknown", origin: "value", input, key, value } as const;
    input = value;
    return item;
  });
  return path as [v.IssuePathItem, ...v.IssuePathItem[]];
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // A circle, or a BigInt.
  }
}
