import * as v from "valibot";
import { addressRangeHint, isAddressRange, type TargetSpec } from "../../core/index.ts";

/** A name, of a model or of a pool. */
export const text: v.GenericSchema<string> = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));

const milliseconds = v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more")));

const url = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    const message = dataset.typed ? whyNoUrl(dataset.value) : undefined;
    if (message !== undefined) addIssue({ message });
  }),
);

const id = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][\w.:/@+-]{0,254}$/,
    "Expected 1 to 255 letters, digits and _ . : / @ + -, the first a letter or a digit",
  ),
);

export const poolName: v.OptionalSchema<v.GenericSchema<string>, "default"> = v.optional(text, "default");

/** Milliseconds between two looks at a source. */
export const interval: v.GenericSchema<number> = v.pipe(
  v.number(),
  v.integer("Expected whole milliseconds"),
  v.minValue(1, "Expected 1 or more"),
  v.maxValue(2 ** 31 - 1, "Expected milliseconds, 2147483647 at most: what a timer can wait"),
);

/** What several targets may have in common. */
export type SharedFields = Omit<TargetSpec, "id" | "url" | "enabled">;

const positive = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));

export const sharedFields: { readonly [K in keyof Required<SharedFields>]: v.GenericSchema<SharedFields[K]> } = {
  weight: v.optional(
    v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.maxValue(1e6, "Expected 1000000 or less")),
  ),
  models: v.optional(v.array(text)),
  labels: v.optional(v.record(v.string(), v.string())),
  meta: v.optional(v.record(v.string(), v.unknown())),
  keepAlive: v.optional(
    v.pipe(v.number(), v.integer("Expected whole milliseconds"), v.minValue(1, "Expected 1 or more")),
  ),
  maxConnections: v.optional(positive),
  maxConcurrency: v.optional(positive),
  timeouts: v.optional(v.strictObject({ connect: milliseconds, headers: milliseconds, idle: milliseconds })),
  addresses: v.optional(v.array(v.pipe(v.string(), v.check(isAddressRange, addressRangeHint)))),
};

const fields = {
  id: v.optional(id),
  url,
  ...sharedFields,
  enabled: v.optional(v.boolean()),
} satisfies Record<keyof TargetSpec, unknown>;

export const targetFields: readonly string[] = Object.keys(fields);

const spec: v.GenericSchema<TargetSpec> = v.strictObject(fields);

const shorthand: v.GenericSchema<string, TargetSpec> = v.pipe(
  url,
  v.transform((value) => ({ url: value })),
);

/** A list of targets, each a URL or a spec, no two of one id. */
export const targetList: v.GenericSchema<readonly (string | TargetSpec)[], readonly TargetSpec[]> = v.pipe(
  v.array(v.lazy((input) => (typeof input === "string" ? shorthand : spec))),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [index, first] of duplicates(dataset.value)) {
      const target = dataset.value[index] as TargetSpec;
      const message = `The id "${toId(target)}" is taken by targets.${first} already; give targets.${index} an id of its own`;
      addIssue({
        message,
        path: [{ type: "array", origin: "value", input: dataset.value, key: index, value: target }],
      });
    }
  }),
);

/** By which a target is known, also when its spec names no id. */
export function toId(target: TargetSpec): string {
  return target.id ?? target.url;
}

/** Pairs of indices, the later one first. */
function duplicates(targets: readonly TargetSpec[]): [number, number][] {
  const firsts = new Map<string, number>();
  const found: [number, number][] = [];
  for (const [index, target] of targets.entries()) {
    const first = firsts.get(toId(target));
    if (first === undefined) firsts.set(toId(target), index);
    else found.push([index, first]);
  }
  return found;
}

function whyNoUrl(value: string): string | undefined {
  // What the URL parser would silently drop or turn into something else.
  if (/[\s\\\u0000-\u001f\u007f]/.test(value))
    return "Expected a URL without spaces, control characters and backslashes";
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return "Expected a URL with its scheme, such as http://127.0.0.1:8001";
  if (/[?#]/.test(value)) return "Expected a URL without query and fragment; a plugin may add them to each request";
  if (!URL.canParse(value) || /^https?:\/{3}/i.test(value)) return "Expected a URL such as http://127.0.0.1:8001";
  if (value.length > 255) return "Expected a URL of 255 characters at most";
  const { username, password } = new URL(value);
  if (username !== "" || password !== "") return "Expected a URL without credentials; send them in a header";
  return undefined;
}
