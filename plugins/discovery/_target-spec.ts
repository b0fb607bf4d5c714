import { isIP } from "node:net";
import * as v from "valibot";
import { addressRangeHint, isAddressRange, type TargetSpec, type TargetTls } from "../../core/index.ts";

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

const file = v.pipe(v.string(), v.nonEmpty("Expected the path of a PEM file"));

const tlsFields = {
  ca: v.optional(file),
  cert: v.optional(file),
  key: v.optional(file),
  passphrase: v.optional(v.string()),
  servername: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (name) => /^[A-Za-z0-9_](?:[\w.-]{0,252})$/.test(name) && isIP(name) === 0,
        "Expected a host name; a certificate for an address needs none",
      ),
    ),
  ),
  verify: v.optional(v.boolean()),
} satisfies Record<keyof TargetTls, unknown>;

const tls: v.GenericSchema<TargetTls> = v.pipe(
  v.strictObject(tlsFields),
  v.forward(
    v.check(({ cert, key }) => cert === undefined || key !== undefined, "Expected the file of the key of tls.cert"),
    ["key"],
  ),
  v.forward(
    v.check(
      ({ cert, key }) => key === undefined || cert !== undefined,
      "Expected the file of the certificate of tls.key",
    ),
    ["cert"],
  ),
);

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
  tls: v.optional(tls),
  http2: v.optional(v.boolean()),
};

/** What is for https only. */
const secureFields = ["tls", "http2"] as const;

const fields = {
  id: v.optional(id),
  url,
  ...sharedFields,
  enabled: v.optional(v.boolean()),
} satisfies Record<keyof TargetSpec, unknown>;

export const targetFields: readonly string[] = Object.keys(fields);
export const targetTlsFields: readonly string[] = Object.keys(tlsFields);

const spec: v.GenericSchema<TargetSpec> = withHttps(v.strictObject(fields));

/** Files of this machine are not for others to name. */
const outsideSpec: v.GenericSchema<TargetSpec> = withHttps(
  v.strictObject({
    ...fields,
    tls: v.optional(v.custom<TargetTls>(() => false, "Expected no tls: only a config or its own file may say it")),
  }),
);

const shorthand: v.GenericSchema<string, TargetSpec> = v.pipe(
  url,
  v.transform((value) => ({ url: value })),
);

type TargetListSchema = v.GenericSchema<readonly (string | TargetSpec)[], readonly TargetSpec[]>;

/** A list of targets, each a URL or a spec, no two of one id. */
export const targetList: TargetListSchema = listOf(spec);

/** The same from a source that others write to. */
export const outsideTargetList: TargetListSchema = listOf(outsideSpec);

function listOf(one: v.GenericSchema<TargetSpec>): TargetListSchema {
  return v.pipe(
    v.array(v.lazy((input) => (typeof input === "string" ? shorthand : one))),
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
}

function withHttps(schema: v.GenericSchema<TargetSpec>): v.GenericSchema<TargetSpec> {
  return v.pipe(
    schema,
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed || /^https:/i.test(dataset.value.url)) return;
      for (const key of secureFields) {
        const value = dataset.value[key];
        if (value === undefined || value === false) continue;
        const message = `Expected a url that begins with https://, or no ${key}`;
        addIssue({ message, path: [{ type: "object", origin: "value", input: { ...dataset.value }, key, value }] });
      }
    }),
  );
}

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
