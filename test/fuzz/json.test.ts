import fc from "fast-check";
import { isProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { findMembers, toMemberName } from "../../plugins/resolve/_json-members.ts";
import { scanModel, spliceModel } from "../../plugins/resolve/_model-scan.ts";
import { eachMember } from "../../plugins/select/_json-spans.ts";
import { findJsonFault } from "../../plugins/discovery/_json-fault.ts";
import { damaged, fuzz } from "./fuzz.ts";

const maxDepth = 1_000;
const codes = ["invalid_json", "invalid_model", "ambiguous_model"];

/** What a reader makes of bytes: a value, or the code of the only error that it may throw. */
function outcome<T>(read: () => T): { value: T } | { code: string } {
  try {
    return { value: read() };
  } catch (error) {
    if (isProxyError(error)) return { code: error.code };
    throw error;
  }
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined; // The question was whether.
  }
}

const unit = fc.constantFrom("a", '"', "\\", "/", "é", "😀", "\ud83d", "\ude00", "\u0000", "\u2028", "{", "}", ",");
const text = fc.oneof(fc.string({ unit, maxLength: 12 }), fc.constantFrom("model", "__proto__", "constructor", ""));
/** As JSON may write a text: any of its characters as an escape. */
const written = fc.tuple(text, fc.nat(3)).map(([value, style]) =>
  style === 0
    ? JSON.stringify(value)
    : `"${value
        .split("")
        .map((char, at) => spell(char, at % style))
        .join("")}"`,
);
const spell = (char: string, style: number): string =>
  style === 0 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}` : JSON.stringify(char).slice(1, -1);

const space = fc.constantFrom("", "", " ", "\n", "\t\r ");
const scalar = fc.oneof(
  written,
  fc.constantFrom("0", "-0", "1.0", "1E400", "12345678901234567890", "true", "null", "[]", "{}"),
);
const { value: json } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ depthSize: "small" }, scalar, tie("list"), tie("object")),
  list: fc
    .tuple(space, fc.array(tie("value"), { maxLength: 4 }))
    .map(([gap, all]) => `[${gap}${all.join(`${gap},${gap}`)}]`),
  object: fc
    .tuple(space, fc.array(fc.tuple(written, tie("value")), { maxLength: 4 }))
    .map(([gap, all]) => `{${gap}${all.map(([key, value]) => `${key}${gap}:${gap}${value}`).join(`,${gap}`)}${gap}}`),
}));
/** Without halves of surrogate pairs that are not escaped: UTF-8 has none. */
const body = fc
  .tuple(fc.constantFrom("", "", "\ufeff"), space, json, space)
  .map((parts) => parts.join("").replace(/\p{Cs}/gu, "\ufffd"));
const broken = damaged(body, [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "1",
  "x",
  "\0",
  "\ufeff",
  '"model":"b",',
  "/**/",
]).map((given) => given.replace(/\p{Cs}/gu, "\ufffd"));

function modelOf(value: unknown): unknown {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && Object.hasOwn(value, "model") ? (value as { model: unknown }).model : undefined;
}

describe("the reader of models", () => {
  test("takes what JSON.parse takes, and finds the model that it finds", () =>
    fuzz(
      body,
      (given) => {
        const found = outcome(() => scanModel(Buffer.from(given))?.model);
        const wanted = modelOf(parsed(given.replace(/^\ufeff/, ""))?.value);
        if ("value" in found) expect(found.value).toBe(wanted);
        // Two names, a name that is none: JSON.parse takes the last.
        else expect(codes.slice(1)).toContain(found.code);
      },
      3_000,
    ));

  test("throws its own errors only, and finds no model that JSON.parse would not find", () =>
    fuzz(
      broken,
      (given) => {
        const found = outcome(() => scanModel(Buffer.from(given))?.model);
        if ("code" in found) return expect(codes).toContain(found.code);
        const read = parsed(given.replace(/^\ufeff/, ""));
        if (read !== undefined) expect(found.value).toBe(modelOf(read.value));
      },
      3_000,
    ));

  test("takes no body that was cut", () =>
    fuzz(
      json.filter((given) => /^[[{"]/.test(given)).map((given) => given.replace(/\p{Cs}/gu, "\ufffd")),
      (given) => {
        const bytes = Buffer.from(given);
        for (let end = 1; end < bytes.length; end++)
          expect(outcome(() => scanModel(bytes.subarray(0, end)))).toEqual({ code: "invalid_json" });
      },
      100,
    ));

  test("takes any bytes, at any depth", () =>
    fuzz(
      fc.tuple(
        fc.array(fc.constantFrom("[", '{"a":', '{"model":'), { minLength: 1, maxLength: 5 }),
        fc.nat(1_300),
        fc.boolean(),
      ),
      ([openers, depth, closed]) => {
        const open = Array.from({ length: depth }, (_, at) => openers[at % openers.length] ?? "[");
        const close = open.toReversed().map((opener) => (opener === "[" ? "]" : "}"));
        const given = `${open.join("")}1${closed ? close.join("") : ""}`;
        const found = outcome(() => scanModel(Buffer.from(given)));
        const isWhole = closed && depth <= maxDepth;
        if (!isWhole && depth > 0) return expect(found).toEqual({ code: "invalid_json" });
        // Where a model is looked for at the top it is no text.
        expect(found).toEqual(depth > 0 && open[0] === '{"model":' ? { code: "invalid_model" } : { value: undefined });
      },
      300,
    ));

  test("puts another name where it found one, and changes nothing else", () =>
    fuzz(
      fc.tuple(body, written),
      ([given, name]) => {
        const bytes = Buffer.from(given);
        const found = outcome(() => scanModel(bytes));
        if (!("value" in found) || found.value === undefined) return;
        const next = String(JSON.parse(name));
        const spliced = Buffer.from(spliceModel(bytes, found.value.spans, next)).toString();
        const before = JSON.parse(given.replace(/^\ufeff/, "")) as Record<string, unknown>;
        expect(JSON.parse(spliced.replace(/^\ufeff/, ""))).toEqual({ ...before, model: next });
      },
      3_000,
    ));
});

describe("the reader of members", () => {
  const names = ["model", "stream", "__proto__", "é", '"'].map(toMemberName);

  test("refuses what the reader of models refuses, and finds each member as often as it stands there", () =>
    fuzz(
      fc.oneof(body, broken),
      (given) => {
        const bytes = Buffer.from(given);
        const found = outcome(() => findMembers(bytes, names));
        const scanned = outcome(() => scanModel(bytes));
        const isRefused = "code" in scanned && scanned.code === "invalid_json";
        // The value of a model may be no JSON text, which only its reader looks at.
        if ("code" in found) return expect([found.code, isRefused]).toEqual(["invalid_json", true]);
        const read = parsed(given.replace(/^\ufeff/, ""));
        if (read === undefined || found.value === undefined) return;
        const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
        const { found: spans } = found.value;
        for (let i = 0; i < spans.length; i += 3) {
          const name = names[spans[i] as number]?.name ?? "";
          values[name] = JSON.parse(bytes.toString("utf8", spans[i + 1], spans[i + 2]));
        }
        const wanted = Object.entries(read.value as object).filter(([name]) =>
          names.some((each) => each.name === name),
        );
        expect({ ...values }).toEqual(Object.fromEntries(wanted));
      },
      4_000,
    ));

  test("shows the selectors the same members", () =>
    fuzz(
      body,
      (given) => {
        const bytes = Buffer.from(given);
        const values = new Map<string, unknown>();
        eachMember(bytes, (name, start, end) => values.set(name, JSON.parse(bytes.toString("utf8", start, end))));
        const value: unknown = JSON.parse(given.replace(/^\ufeff/, ""));
        const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
        expect(Object.fromEntries(values)).toEqual(isObject ? value : {});
      },
      2_000,
    ));
});

test("the finder of faults finds one in what JSON.parse refuses, and none in what it takes", () =>
  fuzz(
    fc.oneof(json, broken),
    (given) => {
      const { offset, expected } = findJsonFault(given);
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset).toBeLessThanOrEqual(given.length);
      const isWhole = offset === given.length && expected === "end of the file";
      expect(isWhole).toBe(parsed(given) !== undefined);
    },
    4_000,
  ));

// What was found here.

test("a body that names its model a million times makes no list of a million places", () => {
  const named = (times: number): Buffer => Buffer.from(`{${Array<string>(times).fill('"model":"a"').join()}}`);
  expect(outcome(() => scanModel(named(16))?.model)).toEqual({ value: "a" });
  expect(outcome(() => scanModel(named(17)))).toEqual({ code: "ambiguous_model" });
});
