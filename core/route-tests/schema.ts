import * as v from "valibot";
import type {
  RouteDraws,
  RouteExpectation,
  RouteTest,
  RouteTestRequest,
  RouteTests,
  TargetState,
  UpstreamExpectation,
} from "./define.ts";
import { toPattern } from "./pattern.ts";

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K]> };

const string = v.string("Expected text; what YAML reads as something else goes in quotes");
const text = v.pipe(string, v.nonEmpty("Expected text, not an empty string"));
const token = /^[\w!#$%&'*+.^`|~-]+$/;
const headerName = v.pipe(v.string(), v.regex(token, "Expected the name of a header"));
const headerValue = v.pipe(string, v.regex(/^[^\0\r\n]*$/, "Expected a header's value on one line"));
const ids = v.array(text, "Expected a list of target ids");

const body = v.pipe(
  v.custom<string | object>(
    (value) => typeof value === "string" || (typeof value === "object" && value !== null),
    "Expected text or an object",
  ),
  v.check((value) => isJson(value), "Expected what JSON can say"),
);

function from(min: number, max: number, unit: string): v.GenericSchema<number> {
  return v.pipe(
    v.number(`Expected ${unit}`),
    v.minValue(min, `Expected ${unit} from ${min} to ${max}`),
    v.maxValue(max, `Expected ${unit} from ${min} to ${max}`),
  );
}

function whole(min: number, max: number): v.GenericSchema<number> {
  return v.pipe(from(min, max, "a whole number"), v.integer(`Expected a whole number from ${min} to ${max}`));
}

/** Valibot takes a list for a record of numbers, and makes one of it. */
function record<T>(
  key: v.GenericSchema<string>,
  value: v.GenericSchema<T>,
  message: string,
): v.GenericSchema<Record<string, T>> {
  const schema = v.record(key, value, message);
  const none = v.custom<Record<string, T>>(() => false, message);
  return v.lazy((input) => (Array.isArray(input) ? none : schema));
}

function byId<T>(value: v.GenericSchema<T>, message: string): v.GenericSchema<Record<string, T>> {
  return record(text, value, message);
}

function notEmpty<T extends object>(schema: v.GenericSchema<T>, message: string): v.GenericSchema<T> {
  return v.pipe(
    schema,
    v.check((value) => Object.values(value).some((entry) => entry !== undefined), message),
  );
}

const draws = {
  draws: v.optional(whole(1, 1_000_000)),
  seed: v.optional(whole(0, 2 ** 31)),
  within: v.optional(from(0, 100, "per cent points")),
} satisfies Entries<RouteDraws>;

const states = byId(
  v.strictObject(
    {
      down: v.optional(v.union([v.boolean(), text], "Expected true, false, or the reason as text")),
      coolingDown: v.optional(from(0, 1e9, "seconds")),
      inflight: v.optional(whole(0, 1_000_000)),
    } satisfies Entries<TargetState>,
    "Expected the state of a target, such as { down: true }",
  ),
  "Expected states by target id, such as gpu-1: { down: true }",
);

const request = v.pipe(
  v.strictObject(
    {
      method: v.optional(v.pipe(string, v.regex(token, "Expected a method, such as POST"))),
      path: v.optional(v.pipe(string, v.regex(/^\/|^\*$/, "Expected a path, which begins with a slash"))),
      headers: v.optional(record(headerName, headerValue, "Expected headers, such as x-team: search")),
      body: v.optional(body),
      model: v.optional(text),
      stream: v.optional(v.boolean("Expected true or false")),
      listener: v.optional(text),
    } satisfies Entries<RouteTestRequest>,
    "Expected a request, such as { model: fast }",
  ),
  v.check(
    ({ path, body: given, model }) => path !== undefined || given !== undefined || model !== undefined,
    "Expected a model, a path or a body",
  ),
  v.check(
    ({ body: given, model, stream }) => given === undefined || (model === undefined && stream === undefined),
    "Expected either a body or a model with stream, not both: they make a body of their own",
  ),
  v.check(
    ({ body: given, model, stream }) => stream === undefined || model !== undefined || given !== undefined,
    "Expected a model beside stream",
  ),
);

const reason = v.pipe(
  v.custom<string | RegExp>(
    (value) => value instanceof RegExp || (typeof value === "string" && value !== ""),
    "Expected text of the reason, or a regular expression such as /down/",
  ),
  v.check((value) => toPattern(value) !== undefined, "Expected a regular expression that can be read"),
);

const percent = from(0, 100, "per cent");

const share = v.pipe(
  notEmpty(byId(percent, "Expected per cent by target id"), "Expected at least one target id"),
  // Thirds are written 33.4.
  v.check((shares) => sum(shares) <= 100.5, "Expected 100 per cent in all, or less"),
);

const upstream = notEmpty(
  v.strictObject(
    {
      method: v.optional(text),
      url: v.optional(text),
      path: v.optional(text),
      headers: v.optional(
        record(
          headerName,
          v.nullable(v.string('Expected the value as text, in quotes, or null for "not sent"')),
          "Expected headers, such as authorization: null",
        ),
      ),
      body: v.optional(body),
    } satisfies Entries<UpstreamExpectation>,
    "Expected what the upstream gets, such as { path: /v1/chat/completions }",
  ),
  "Expected at least one of method, url, path, headers, body",
);

const expectation = v.pipe(
  v.strictObject(
    {
      route: v.optional(text),
      selector: v.optional(text),
      target: v.optional(text),
      attempts: v.optional(ids),
      candidates: v.optional(ids),
      dropped: v.optional(notEmpty(byId(reason, "Expected reasons by target id"), "Expected at least one target id")),
      model: v.optional(text),
      upstream: v.optional(upstream),
      status: v.optional(whole(100, 599)),
      code: v.optional(text),
      share: v.optional(share),
      ...draws,
    } satisfies Entries<RouteExpectation>,
    "Expected at least one expectation, such as { target: gpu-1 }",
  ),
  v.check(
    (said) => Object.entries(said).some(([key, value]) => !(key in draws) && value !== undefined),
    "Expected at least one expectation, such as { target: gpu-1 }",
  ),
);

const check = v.custom<RouteTest["expect"]>((value) => typeof value === "function");

const test = v.pipe(
  v.strictObject(
    {
      name: v.optional(text),
      request,
      targets: v.optional(states),
      expect: v.lazy((input) => (typeof input === "function" ? check : expectation)),
      ...draws,
    } satisfies Entries<RouteTest>,
    "Expected a test, such as { request: { model: fast }, expect: { target: gpu-1 } }",
  ),
  v.check(
    ({ expect, ...given }) =>
      typeof expect === "function" || drawKeys.every((key) => given[key] === undefined || expect[key] === undefined),
    "Expected draws, seed and within once: in the test or beside share",
  ),
  v.check(
    ({ expect, ...given }) => (typeof expect === "function" ? true : usesDraws({ ...given, ...expect })),
    "Expected share beside draws and within: without it one request is made",
  ),
);

const drawKeys = Object.keys(draws) as (keyof RouteDraws)[];

function usesDraws(given: RouteExpectation): boolean {
  return given.share !== undefined || (given.draws === undefined && given.within === undefined);
}

function sum(shares: Readonly<Record<string, number>>): number {
  return Object.values(shares).reduce((total, one) => total + one, 0);
}

function isJson(value: unknown): boolean {
  try {
    return typeof JSON.stringify(value) === "string";
  } catch {
    return false; // a loop, or a number of a kind that JSON does not have
  }
}

/** What a table of route tests may say, whatever file it is written in. */
export const routeTestsSchema: v.GenericSchema<RouteTests> = v.strictObject(
  {
    config: v.optional(text),
    targets: v.optional(states),
    tests: v.pipe(
      v.array(test, "Expected a list of tests"),
      v.check((tests) => tests.length > 0, "Expected at least one test"),
    ),
  } satisfies Entries<RouteTests>,
  "Expected a table of tests: tests: [{ request: { model: fast }, expect: { target: gpu-1 } }]",
);
