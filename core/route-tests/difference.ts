/** One thing that is not as a test expects it. */
export interface Difference {
  /** `upstream.body.model` */
  readonly path: string;
  readonly expected: unknown;
  /** Null: there is none. */
  readonly received: unknown;
  /** Why it may be so. */
  readonly hint?: string;
}

/** What of an expected JSON value is not in the received one; objects may have more members than are expected. */
export function differencesIn(path: string, expected: unknown, received: unknown): Difference[] {
  if (Array.isArray(expected)) {
    if (!Array.isArray(received) || received.length !== expected.length) return [{ path, expected, received }];
    return expected.flatMap((item: unknown, index) => differencesIn(`${path}.${index}`, item, received[index]));
  }
  if (!isObject(expected)) return Object.is(expected, received) ? [] : [{ path, expected, received: received ?? null }];
  if (!isObject(received)) return [{ path, expected, received: received ?? null }];
  return Object.entries(expected).flatMap(([key, value]) =>
    Object.hasOwn(received, key) || value === undefined
      ? differencesIn(`${path}.${key}`, value, received[key])
      : [{ path: `${path}.${key}`, expected: value, received: null, ...(value === null && { hint: "it is missing" }) }],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
