import * as v from "valibot";

/** One key of a client. It has a `hash` or, from the environment only, a `key`. */
export interface KeyEntry {
  /** Of the client, for logs and limits; several keys may have one name, as while one takes the place of another. */
  name: string;
  /** SHA-256 of the key: 64 hexadecimal digits, also behind `sha256:`. `printf %s "$KEY" | sha256sum` prints it. */
  hash?: string;
  /** `env("...")`: the key itself, of at least 16 characters. */
  key?: string;
  /** Names that it may ask for: models or aliases; `gpt-*` is all that begin so. @default all */
  models?: readonly string[];
  /** Until when it is good: `2027-01-31T12:00:00Z`, or a date, which ends as it begins in UTC. @default for ever */
  expires?: string;
  /** What other guards hold this client to, by their own names; only handed on. @default none */
  limits?: Readonly<Record<string, number>>;
}

/** An entry as the schema leaves it. */
export interface ValidKeyEntry {
  readonly name: string;
  readonly hash?: string | undefined;
  readonly key?: string | undefined;
  readonly models?: readonly string[] | undefined;
  readonly expires?: string | undefined;
  readonly limits?: Readonly<Record<string, number>> | undefined;
}

/** What is shorter can be guessed, and could stand in a header by chance. */
export const shortestKey = 16;

const time = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

const fields = {
  name: v.pipe(v.string(), v.regex(/^[^\p{C}\p{Zl}\p{Zp}]{1,128}$/u, "Expected a name of at most 128 characters")),
  models: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^(?:[^*]+\*?|\*)$/, 'Expected a name, with "*" at its end only'))),
  ),
  expires: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) => time.test(text) && !Number.isNaN(Date.parse(text)),
        "Expected a time such as 2027-01-31T12:00:00Z, or a date",
      ),
    ),
  ),
  limits: v.optional(v.record(v.string(), v.pipe(v.number(), v.finite(), v.minValue(0, "Expected 0 or more")))),
};

const hash = v.pipe(
  v.string(),
  v.regex(/^(?:sha256:)?[0-9a-f]{64}$/i, "Expected the SHA-256 of the key as 64 hexadecimal digits"),
);

/** In a config. */
export const keyEntry: v.GenericSchema<KeyEntry, ValidKeyEntry> = v.pipe(
  v.strictObject({
    ...fields,
    hash: v.optional(hash),
    key: v.optional(v.string()),
  } satisfies Record<keyof KeyEntry, unknown>),
  v.check((entry) => (entry.hash === undefined) !== (entry.key === undefined), "Expected either a hash or a key"),
);

/** In a file: data only, so a key is there as its hash. */
export const keyFileEntries: v.GenericSchema<unknown, readonly ValidKeyEntry[]> = v.array(
  v.strictObject({ ...fields, hash }),
);
