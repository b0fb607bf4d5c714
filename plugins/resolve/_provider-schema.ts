import * as v from "valibot";
import type { Price, TieredPrice, TokenPrice } from "../../core/index.ts";
import type { Dialect } from "./_dialect.ts";
import type { Provider, ProviderAuth, ProviderModel, ProvidersOptions } from "./_provider-options.ts";

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K]> };

/** valibot takes a list for a record whose names are its indices. */
function byName<T>(record: v.GenericSchema<T>): v.GenericSchema<T> {
  return v.lazy((input) => (Array.isArray(input) ? v.never("Expected values by name, not a list") : record));
}

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));
const milliseconds = v.optional(v.pipe(v.number(), v.minValue(0, "Expected milliseconds, 0 or more")));
const dollars = v.pipe(v.number(), v.finite("Expected dollars"), v.minValue(0, "Expected dollars, 0 or more"));

const name = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][\w.@+-]{0,199}$/,
    "Expected a name of 1 to 200 letters, digits and _ . @ + -, the first a letter or a digit",
  ),
);

const url = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    const message = dataset.typed ? whyNoUrl(dataset.value) : undefined;
    if (message !== undefined) addIssue({ message });
  }),
);

const auth = v.strictObject({
  type: v.optional(
    v.picklist(
      ["bearer", "x-api-key", "x-goog-api-key", "api-key"],
      "Expected bearer, x-api-key, x-goog-api-key or api-key",
    ),
  ),
  key: v.pipe(
    v.string(),
    v.nonEmpty("Expected a key, not an empty string"),
    v.regex(/^[\u0021-\u007e]*$/, "Expected a key without spaces, line ends and characters beyond ASCII"),
  ),
} satisfies Entries<ProviderAuth>);

const tokenPrice = { input: dollars, output: dollars, request: v.optional(dollars) } satisfies Entries<TokenPrice>;

const tier = v.strictObject({
  ...tokenPrice,
  upTo: v.optional(v.pipe(v.number(), v.gtValue(0, "Expected a number of tokens above 0"))),
} satisfies Entries<TieredPrice>);

const price: v.GenericSchema<Price | undefined> = v.optional(
  v.lazy((input): v.GenericSchema<Price> => {
    if (Array.isArray(input)) return v.pipe(v.array(tier), v.minLength(1, "Expected at least one price"));
    return typeof input === "object" ? v.strictObject(tokenPrice) : dollars;
  }),
);

const extraBody: v.GenericSchema<Readonly<Record<string, unknown>> | undefined> = v.optional(
  byName(
    v.record(
      v.pipe(v.string(), v.notValue("model", "The model is what the request or an alias says; leave it out here")),
      v.pipe(v.unknown(), v.check(isJsonValue, "Expected a value that JSON can hold")),
    ),
  ),
);

const model = v.strictObject({ price, extraBody } satisfies Entries<ProviderModel>);

const models: v.GenericSchema<Provider["models"]> = v.optional(
  v.lazy((input): v.GenericSchema<NonNullable<Provider["models"]>> =>
    Array.isArray(input) ? v.array(text) : v.record(text, model),
  ),
);

const framing =
  /^(?:connection|content-length|expect|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;

const headers = byName(
  v.record(
    v.pipe(
      v.string(),
      v.regex(/^[\w!#$%&'*+.^`|~-]{1,128}$/, "Expected the name of a header"),
      v.check((value) => !framing.test(value), "Expected a header that does not frame the request"),
    ),
    v.pipe(v.string(), v.regex(/^[\u0021-\u007e](?:[\t\u0020-\u007e]*[\u0021-\u007e])?$/, "Expected printable ASCII")),
  ),
);

const labels = byName(
  v.record(v.pipe(v.string(), v.notValue("provider", "The label is the provider's name; leave it out")), v.string()),
);

const provider = v.pipe(
  v.strictObject({
    url: v.optional(url),
    urls: v.optional(
      v.strictObject({
        openai: v.optional(url),
        anthropic: v.optional(url),
        gemini: v.optional(url),
      } satisfies Record<Dialect, v.GenericSchema<string | undefined>>),
    ),
    auth: v.optional(auth),
    models,
    headers: v.optional(headers),
    extraBody,
    timeouts: v.optional(v.strictObject({ connect: milliseconds, headers: milliseconds, idle: milliseconds })),
    price,
    maxConcurrency: v.optional(
      v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more")),
    ),
    weight: v.optional(
      v.pipe(v.number(), v.minValue(0, "Expected 0 or more"), v.maxValue(1e6, "Expected 1000000 or less")),
    ),
    labels: v.optional(labels),
    enabled: v.optional(v.boolean()),
    pool: v.optional(text),
  } satisfies Entries<Provider>),
  v.forward(
    v.partialCheck(
      [["url"], ["urls"]],
      ({ url: one, urls = {} }) => (one === undefined) !== Object.values(urls).every((each) => each === undefined),
      "Expected either a url, or urls with at least one",
    ),
    ["url"],
  ),
);

export const providersSchema: v.GenericSchema<ProvidersOptions> = byName(v.record(name, provider));

/** As for every target; what it says of a URL never repeats it, as it may have a password in it. */
function whyNoUrl(value: string): string | undefined {
  // What the URL parser would silently drop or turn into something else.
  if (/[\s\\\u0000-\u001f\u007f]/.test(value))
    return "Expected a URL without spaces, control characters and backslashes";
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return "Expected a URL with its scheme, such as https://api.openai.com";
  if (/[?#]/.test(value)) return "Expected a URL without query and fragment";
  if (!URL.canParse(value) || /^https?:\/{3}/i.test(value)) return "Expected a URL such as https://api.openai.com";
  if (value.length > 255) return "Expected a URL of 255 characters at most";
  const { username, password } = new URL(value);
  if (username !== "" || password !== "") return "Expected a URL without credentials; give them as auth";
  return undefined;
}

function isJsonValue(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false; // A circle, or a BigInt.
  }
}
