import fc from "fast-check";
import { isProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { scanModel, spliceModel } from "../../../plugins/resolve/_model-scan.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

/** The model, `undefined` for none, or the code of the error. */
function scan(body: Uint8Array): { model: string | undefined } | { code: string } {
  try {
    return { model: scanModel(body)?.model };
  } catch (error) {
    if (isProxyError(error)) return { code: error.code };
    throw error;
  }
}

const nested = (depth: number): string => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)},"model":"m"}`;

describe("the model of a body", () => {
  test.each([
    ["alone", '{"model":"a"}', "a"],
    ["first", '{"model":"a","b":1}', "a"],
    ["last", '{"b":{"c":[1,"x",{}]},"model":"a"}', "a"],
    ["after white space of every kind", ' \t\r\n{ \t\r\n"model" \t\r\n: \t\r\n"a" \t\r\n} \t\r\n', "a"],
    ["under an escaped key", '{"mod\\u0065l":"a"}', "a"],
    ["under a key with every letter escaped, in both cases", '{"\\u006D\\u006f\\u0064\\u0065\\u006C":"a"}', "a"],
    ["with escapes in the value", '{"model":"a\\/b\\u002dc\\"d\\\\"}', 'a/b-c"d\\'],
    ["with a surrogate pair, escaped and raw", '{"model":"\\ud83d\\ude00😀"}', "😀😀"],
    ["with half a surrogate pair", '{"model":"a\\ud83d"}', "a\ud83d"],
    ["beyond ASCII", '{"model":"通义-é"}', "通义-é"],
    ["given twice, the same", '{"model":"a","model":"a"}', "a"],
    ["given twice, the same in another spelling", '{"model":"a/b","mod\\u0065l":"\\u0061\\/b"}', "a/b"],
    ["of 256 characters", `{"model":"${"a".repeat(256)}"}`, "a".repeat(256)],
    ["of 256 characters, all escaped", `{"model":"${"\\u0061".repeat(256)}"}`, "a".repeat(256)],
    ["behind strings that look like it", '{"a":"\\"model\\":\\"no\\"","b":"{\\"model\\":\\"no\\"}","model":"a"}', "a"],
    ["behind a string that ends in backslashes", '{"a":"x\\\\\\\\","model":"a"}', "a"],
    ["behind a long string that ends in an escaped quote", `{"a":"${"x".repeat(99)}\\\\\\"","model":"a"}`, "a"],
    ["behind containers that are empty", '{"a":{},"b":[],"c":[{},[]],"model":"a"}', "a"],
    ["behind numbers that no float holds", '{"a":12345678901234567890,"b":1e400,"c":-0,"d":1.0E+2,"model":"a"}', "a"],
    ["beside names that are dangerous to objects", '{"__proto__":{"model":"no"},"constructor":1,"model":"a"}', "a"],
    ["that is dangerous to objects itself", '{"model":"__proto__"}', "__proto__"],
    ["at the deepest nesting", nested(1_000), "m"],
    ["behind a byte order mark", '\ufeff{"model":"a"}', "a"],
    ["beside what Python writes for numbers that are none", '{"a":NaN,"b":-Infinity,"model":"a"}', "a"],
  ])("is found %s", (_, body, model) => {
    expect(scan(bytes(body))).toEqual({ model });
  });

  test.each([
    ["an empty body", ""],
    ["white space", " \n\t "],
    ["an empty object", "{ }"],
    ["an object without it", '{"a":1}'],
    ["a nested one", '{"x":{"model":"no"}}'],
    ["one inside an array", '{"x":[{"model":"no"}]}'],
    ["a longer key", '{"models":"no","xmodel":"no","mode":"no"}'],
    ["another case", '{"Model":"no","MODEL":"no"}'],
    ["a key with an escape too many", '{"model\\u0000":"no"}'],
    ["a key that ends in the middle of an escape", '{"mod\\u0065":"no","mode\\u":"no"}'],
    ["an array", '[{"model":"no"}]'],
    ["a string", '"model"'],
    ["a number", "-1.5e3"],
    ["null", "null"],
  ])("is none in %s", (_, body) => {
    expect(scan(bytes(body))).toEqual({ model: undefined });
  });

  test.each([
    ["invalid_model", "a number", '{"model":1}'],
    ["invalid_model", "null", '{"model":null}'],
    ["invalid_model", "a list", '{"model":["a"]}'],
    ["invalid_model", "an object", '{"model":{"model":"a"}}'],
    ["invalid_model", "a string once and a number once", '{"model":"a","model":1}'],
    ["invalid_model", "an empty string", '{"model":""}'],
    ["invalid_model", "257 characters", `{"model":"${"a".repeat(257)}"}`],
    ["invalid_model", "a megabyte", `{"model":"${"a".repeat(1e6)}"}`],
    ["invalid_model", "an escaped line feed", '{"model":"a\\nb"}'],
    ["invalid_model", "an escaped NUL", '{"model":"a\\u0000"}'],
    ["invalid_model", "a DEL", '{"model":"a\u007f"}'],
    ["invalid_model", "a control character of Latin-1", '{"model":"a\\u0085"}'],
    ["ambiguous_model", "two names", '{"model":"a","model":"b"}'],
    ["ambiguous_model", "two names under two spellings of the key", '{"model":"a","\\u006dodel":"b"}'],
    ["ambiguous_model", "a third name", '{"model":"a","model":"a","model":"A"}'],
    ["invalid_json", "a raw line feed", '{"model":"a\nb"}'],
    ["invalid_json", "a wrong escape", '{"model":"a\\x"}'],
    ["invalid_json", "a surrogate with a wrong escape", '{"model":"\\ud83g"}'],
  ])("is refused as %s: %s", (code, _, body) => {
    expect(scan(bytes(body))).toEqual({ code });
  });

  test("is refused when its bytes are not UTF-8", () => {
    expect(scan(Buffer.from('{"model":"a\xff"}', "latin1"))).toEqual({ code: "invalid_json" });
  });

  test.each([
    "{",
    '{"',
    '{"a',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":"x\\',
    '{"a":"x\\"}',
    '{"a":[1,2',
    '{"a":{"b":1}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a" 1}',
    '{"a"::1}',
    "{a:1}",
    "{'a':1}",
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[1 2]}',
    '{"a":{"b"}}',
    '{"a":{"b":1,}}',
    '{"a":{1:2}}',
    '{"a":[}',
    '{"a":[}]}',
    '{"a":{]}',
    '{"a":1}}',
    '{"model":"a"}{"model":"b"}',
    '{"model":"a"} x',
    '{"model":"a"}\0',
    '{"model":"a"/* "model":"b" */}',
    '{"a":/* */1}',
    '{/**/"model":"a"}',
    '{"a":}',
    '{"a":\f1}',
    "}",
    "hello world",
    "<model>a</model>",
    "model=a&b=c",
    "[1,2",
    "\ufeff\ufeff{}",
    "\u00a0{}",
  ])("is not looked for in what is visibly not JSON: %j", (body) => {
    expect(scan(bytes(body))).toEqual({ code: "invalid_json" });
  });

  test.each([
    ["UTF-16 with a byte order mark", Buffer.from('\ufeff{"model":"a"}', "utf16le")],
    ["UTF-16 without", Buffer.from('{"model":"a"}', "utf16le")],
    ["big-endian UTF-16", Buffer.from('{"model":"a"}', "utf16le").swap16()],
    ["gzip", Buffer.from([0x1f, 0x8b, 8, 0])],
  ])("is not looked for in %s", (_, body) => {
    expect(scan(body)).toEqual({ code: "invalid_json" });
  });

  test.each([
    ["one level too many", nested(1_001)],
    ["a million open brackets", `{"a":${"[".repeat(1e6)}`],
    ["a million open brackets without an object around", "[".repeat(1e6)],
    ["a million open objects", '{"a":'.repeat(1e6)],
  ])("is not looked for in %s", (_, body) => {
    expect(scan(bytes(body))).toEqual({ code: "invalid_json" });
  });

  test("is found in a view of a larger buffer", () => {
    const whole = new TextEncoder().encode('xx{"model":"a"}yy');
    expect(scanModel(whole.subarray(2, -2))).toEqual({ model: "a", spans: [9, 12] });
  });

  test("says the same of a body after any other one", () => {
    const body = bytes(`{"a":[[[{"b":[]}]]],"model":"m"}`);
    scan(bytes(`{"a":${"[".repeat(999)}`));
    expect(scan(body)).toEqual({ model: "m" });
  });
});

/** How JSON may be written: with white space and escapes anywhere they are allowed. */
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

function writtenString(text: string): fc.Arbitrary<string> {
  const plain = JSON.stringify(text);
  const escaped = text.split("").map(toUnicodeEscape);
  const mixed = fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map(
    (flags) =>
      `"${text
        .split("")
        .map((unit, i) => (flags[i] ? toUnicodeEscape(unit) : JSON.stringify(unit).slice(1, -1)))
        .join("")}"`,
  );
  return fc.oneof(fc.constant(plain), fc.constant(`"${escaped.join("")}"`), mixed);
}

function toUnicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const { value: writtenValue } = fc.letrec<{
  value: string;
  array: string;
  object: string;
  member: string;
}>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.json({ maxDepth: 0 }),
    fc.string({ unit: "binary", maxLength: 40 }).chain(writtenString),
    fc.constantFrom(
      '"\\\\"',
      '"\\""',
      '"model"',
      '"{\\"model\\":\\"no\\"}"',
      "-0",
      "1E400",
      "12345678901234567890",
      "[]",
      "{}",
    ),
    tie("array"),
    tie("object"),
  ),
  array: fc
    .tuple(space, fc.array(tie("value"), { maxLength: 4 }))
    .map(([gap, values]) => `[${gap}${values.join(`${gap},${gap}`)}${gap}]`),
  object: fc
    .tuple(space, fc.array(tie("member"), { maxLength: 4 }))
    .map(([gap, members]) => `{${gap}${members.join(`,${gap}`)}}`),
  member: fc
    .tuple(
      fc.oneof(fc.constantFrom("model", "mode", "models", ""), fc.string()).chain(writtenString),
      space,
      tie("value"),
    )
    .map(([key, gap, value]) => `${key}${gap}:${gap}${value}${gap}`),
}));

const otherKey = fc
  .oneof(fc.constantFrom("mode", "models", "Model", "", "__proto__"), fc.string())
  .filter((key) => key !== "model");
const otherMember = fc
  .tuple(otherKey.chain(writtenString), space, writtenValue)
  .map(([key, gap, value]) => `${gap}${key}${gap}:${gap}${value}${gap}`);
const name = fc
  .oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), fc.constantFrom("qwen3-8b", "a/b:c", 'q"\\'))
  // Half a surrogate pair, unescaped, cannot be written as UTF-8.
  .filter((text) => !/\p{Cs}|\p{Cc}/u.test(text));
const modelMember = (model: string): fc.Arbitrary<string> =>
  fc
    .tuple(writtenString("model"), space, writtenString(model))
    .map(([key, gap, value]) => `${gap}${key}${gap}:${gap}${value}${gap}`);

/** An object with `models` at random places among other members. */
function objectWith(...models: string[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.array(fc.tuple(fc.nat(), otherMember), { maxLength: 5 }),
      fc.tuple(...models.map((model) => fc.tuple(fc.nat(), modelMember(model)))),
      space,
    )
    .map(([others, members, gap]) => {
      const sorted = [...others, ...members].toSorted(([a], [b]) => a - b).map(([, member]) => member);
      return `${gap}{${gap}${sorted.join(",")}}${gap}`;
    });
}

// The number of runs, not the machine, decides how long these take.
describe("for every body", { timeout: 60_000 }, () => {
  test("that JSON.parse takes, the model is the one JSON.parse finds", () => {
    fc.assert(
      fc.property(
        name.chain((model) => fc.tuple(fc.constant(model), objectWith(model))),
        ([model, body]) => {
          expect((JSON.parse(body) as { model: unknown }).model).toBe(model);
          expect(scan(bytes(body))).toEqual({ model });
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("that JSON.parse takes and finds no model in, there is none", () => {
    fc.assert(
      fc.property(fc.oneof(objectWith(), fc.json()), (body) => {
        const parsed: unknown = JSON.parse(body);
        fc.pre(
          typeof parsed !== "object" || parsed === null || Array.isArray(parsed) || !Object.hasOwn(parsed, "model"),
        );
        expect(scan(bytes(body))).toEqual({ model: undefined });
      }),
      { numRuns: 2_000 },
    );
  });

  test("with the model more than once, it is found if it is the same each time and refused if not", () => {
    const models = fc.oneof(
      name.chain((model) => fc.array(fc.constant(model), { minLength: 2, maxLength: 4 })),
      fc.array(name, { minLength: 2, maxLength: 4 }),
    );
    fc.assert(
      fc.property(
        models.chain((all) => fc.tuple(fc.constant(all), objectWith(...all))),
        ([all, body]) => {
          const same = all.every((model) => model === all[0]);
          expect(scan(bytes(body))).toEqual(same ? { model: all[0] } : { code: "ambiguous_model" });
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("with a value that is no string, it is refused", () => {
    const value = fc
      .oneof(fc.json({ maxDepth: 1 }), fc.constantFrom("1", "null", "[]", "{}"))
      .filter((json) => typeof JSON.parse(json) !== "string");
    fc.assert(
      fc.property(value, otherMember, (json, other) => {
        expect(scan(bytes(`{"model":${json},${other}}`))).toEqual({ code: "invalid_model" });
      }),
    );
  });

  test("that was damaged, the verdict is that of JSON.parse on its structure", () => {
    fc.assert(
      fc.property(damaged, (body) => {
        const outcome = scan(bytes(body));
        const expected = oracle(body);
        if (expected !== "either") expect(outcome).toEqual(expected);
      }),
      { numRuns: 5_000 },
    );
  });

  test("even of random bytes, nothing but a client's error is thrown", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.stringMatching(/^[{}[\]",:\\model1 ]*$/).map(bytes)),
        (body) => {
          const outcome = scan(body);
          if ("code" in outcome) expect(["invalid_json", "invalid_model", "ambiguous_model"]).toContain(outcome.code);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test("splicing changes the model and not one other byte", () => {
    const given = fc.tuple(name, name, fc.integer({ min: 1, max: 3 }));
    const written = given.chain(([model, next, times]) =>
      fc.tuple(fc.constant(next), objectWith(...Array<string>(times).fill(model))),
    );
    fc.assert(
      fc.property(written, ([next, text]) => {
        const body = bytes(text);
        const before = Buffer.from(body);
        const { spans } = scanModel(body) ?? { spans: [] };
        const out = Buffer.from(spliceModel(body, spans, next));
        expect(scan(out)).toEqual({ model: next });
        expect(out.toString()).toBe(replaceBackwards(text, spans, JSON.stringify(next)));
        expect(body).toEqual(before);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Bodies with one to three characters lost, doubled or replaced. */
const damaged = fc
  .tuple(
    fc.oneof(
      name.chain((model) => objectWith(model)),
      objectWith("a", "a"),
      fc.constantFrom('{"model":"a","b":[1,{"c":"d"}]}'),
    ),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.constantFrom(
          "",
          "",
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
          " ",
          "\n",
          "/",
          "\0",
          "\ufeff",
          '"model":"b",',
        ),
      ),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
    fc.boolean(),
  )
  .map(([body, changes, insert]) => {
    let text = body;
    for (const [at, replacement] of changes) {
      const place = at % (text.length + 1);
      text = text.slice(0, place) + replacement + text.slice(insert && replacement !== "" ? place : place + 1);
    }
    return text.replace(/\p{Cs}/gu, "\ufffd");
  });

const stringToken = /"(?:[^"\\]|\\[^])*"/g;

/** What the scan must say: JSON.parse's word where that is known, else whether the structure alone is JSON. */
function oracle(body: string): { model: unknown } | { code: string } | "either" {
  const text = body.replace(/^\ufeff/, "");
  if (/^[ \t\r\n]*$/.test(text)) return { model: undefined };
  const skeleton = text.replace(/"(?:[^"\\]|\\[^])*"|[\dA-Za-z+.-]+/g, (token) =>
    token.startsWith('"') ? '"s"' : "0",
  );
  if (!parses(skeleton)) return { code: "invalid_json" };
  const keys = (text.match(stringToken) ?? []).filter((token) => parses(token) && JSON.parse(token) === "model");
  // Which of several is at the top, JSON.parse does not tell.
  if (keys.length > 1 || !parses(text)) return "either";
  const model = modelOf(JSON.parse(text));
  const valid = typeof model === "string" && model !== "" && !/\p{Cc}/u.test(model);
  return valid || model === undefined ? { model } : { code: "invalid_model" };
}

function modelOf(parsed: unknown): unknown {
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
  return Object.hasOwn(parsed, "model") ? (parsed as { model: unknown }).model : undefined;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // The question was whether.
  }
}

function replaceBackwards(text: string, spans: readonly number[], value: string): string {
  let out = bytes(text);
  for (let i = spans.length - 2; i >= 0; i -= 2)
    out = Buffer.concat([out.subarray(0, spans[i]), bytes(value), out.subarray(spans[i + 1])]);
  return out.toString();
}
