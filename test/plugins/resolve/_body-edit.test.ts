import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BodyFields, createBodyEdit } from "../../../plugins/resolve/_body-edit.ts";

const edit = (fields: BodyFields, body: string): string =>
  Buffer.from(createBodyEdit(fields)(Buffer.from(body))).toString();

describe("a member that is set", () => {
  test.each([
    ["takes the place of a value", '{"a":1,"b":2}', '{"a":9,"b":2}'],
    ["takes the place of a container", '{"a":{"a":[1,"}"]},"b":2}', '{"a":9,"b":2}'],
    ["takes the place of null", '{"a":null}', '{"a":9}'],
    ["takes every place it has", '{"a":1,"b":2,"a":[],"a":"x"}', '{"a":9,"b":2,"a":9,"a":9}'],
    ["is known under an escaped name", '{"\\u0061":1,"b":2}', '{"\\u0061":9,"b":2}'],
    [
      "keeps white space and order",
      ' {\n "b" : 1 ,\r\n\t"a" : [ 1 ] , "c":1.0 }\n',
      ' {\n "b" : 1 ,\r\n\t"a" : 9 , "c":1.0 }\n',
    ],
    ["is added behind the last member", '{"b":2 \n}', '{"b":2,"a":9 \n}'],
    ["is added to an object that is empty", "{}", '{"a":9}'],
    ["is added to an object with nothing but space", " { \n} ", ' {"a":9 \n} '],
    ["is added when only an inner object has it", '{"b":{"a":1}}', '{"b":{"a":1},"a":9}'],
    ["is added behind a byte order mark", '\ufeff{"b":2}', '\ufeff{"b":2,"a":9}'],
    ["is not taken for a longer name", '{"ab":1,"\\u0061b":2,"aa":3}', '{"ab":1,"\\u0061b":2,"aa":3,"a":9}'],
    ["is not found in a string that looks like it", '{"b":"\\"a\\":1"}', '{"b":"\\"a\\":1","a":9}'],
    ["is put beside a name that is no JSON string", '{"\\x61":1}', '{"\\x61":1,"a":9}'],
    ["is put beside what Python writes", '{"b":NaN,"a":-Infinity}', '{"b":NaN,"a":9}'],
  ])("%s", (_, body, edited) => {
    expect(edit({ set: { a: 9 } }, body)).toBe(edited);
  });

  test("has any value that JSON can write", () => {
    const set = { a: 'é\u2028"\\\n', b: null, c: { d: [true, { "\ud800": -0.5 }] }, e: false };
    expect(edit({ set }, '{"x":1}')).toBe(`{"x":1,${JSON.stringify(set).slice(1)}`);
  });

  test("is one of several, in any order", () => {
    expect(edit({ set: { a: 1, b: 2, c: 3 } }, '{"c":0,"x":0,"a":0}')).toBe('{"c":3,"x":0,"a":1,"b":2}');
  });
});

describe("a default", () => {
  test.each([
    ["is added where the body says nothing", '{"b":1}', '{"b":1,"a":9}'],
    ["leaves what the body says", '{"a":1}', '{"a":1}'],
    ["leaves null", '{"a":null}', '{"a":null}'],
    ["leaves what stands under an escaped name", '{"\\u0061":1}', '{"\\u0061":1}'],
  ])("%s", (_, body, edited) => {
    expect(edit({ defaults: { a: 9 } }, body)).toBe(edited);
  });

  test("comes behind what is set, and yields to it", () => {
    expect(edit({ defaults: { a: 1, b: 2 }, set: { b: 3, c: 4 } }, "{}")).toBe('{"b":3,"c":4,"a":1}');
  });
});

describe("names that are dangerous to objects", () => {
  const dangerous = JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"toString":3}') as Record<string, unknown>;

  test("are members like any other, to be set and to be added", () => {
    const body = '{"__proto__":1,"constructor":1}';
    expect(edit({ set: dangerous }, body)).toBe('{"__proto__":{"polluted":1},"constructor":2,"toString":3}');
    expect(edit({ defaults: dangerous }, body)).toBe('{"__proto__":1,"constructor":1,"toString":3}');
    expect(edit({ set: { a: 1 }, defaults: dangerous }, "{}")).toBe(
      '{"a":1,"__proto__":{"polluted":1},"constructor":2,"toString":3}',
    );
  });

  test("pollute nothing", () => {
    edit({ set: dangerous, defaults: dangerous }, "{}");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("are not there because objects have them", () => {
    expect(edit({ set: { a: 1 } }, '{"toString":0,"hasOwnProperty":0}')).toBe(
      '{"toString":0,"hasOwnProperty":0,"a":1}',
    );
  });
});

describe("what is left alone", () => {
  test.each(["", " \n", "[]", '[{"a":1}]', '"a"', "1.5", "null"])("%j is returned as it is", (body) => {
    const bytes = Buffer.from(body);
    expect(createBodyEdit({ set: { a: 9 }, defaults: { b: 1 } })(bytes)).toBe(bytes);
  });

  test("a body that says all of it already is the same object", () => {
    const bytes = new Uint8Array(Buffer.from('{"a":9,"b":0,"\\u0061":9}'));
    expect(createBodyEdit({ set: { a: 9 }, defaults: { b: 1 } })(bytes)).toBe(bytes);
  });

  test("a body is the same object when there is nothing to set", () => {
    const bytes = Buffer.from("{ broken");
    expect(createBodyEdit({})(bytes)).toBe(bytes);
    expect(createBodyEdit({ set: {}, defaults: {} })(bytes)).toBe(bytes);
  });

  test("the bytes given are never written to", () => {
    const bytes = Buffer.from('{"a":1,"b":2}');
    createBodyEdit({ set: { a: 2, c: 3 } })(bytes);
    expect(bytes.toString()).toBe('{"a":1,"b":2}');
  });

  test("a view into a larger buffer is edited within its bounds", () => {
    const around = new Uint8Array(Buffer.from('xx{"a":1}yy'));
    const edited = createBodyEdit({ set: { a: 2 } })(around.subarray(2, 9));
    expect(Buffer.from(edited).toString()).toBe('{"a":2}');
  });

  test("broken UTF-8 in an escaped name is no U+FFFD", () => {
    const bytes = Buffer.from('{"\\u0061\xff":1}', "latin1");
    const edited = createBodyEdit({ defaults: { "a\ufffd": 1 } })(bytes);
    expect(edited.length).toBe(bytes.length + ',"a\ufffd":1'.length + 2);
  });
});

test("values that JSON cannot write are refused, by name", () => {
  expect(() => createBodyEdit({ set: { top_k: undefined } })).toThrow('"top_k"');
  expect(() => createBodyEdit({ defaults: { f: () => 1 } })).toThrow('"f"');
});

/**
 * Few names, so that bodies and fields often share one. None begins with a backslash: once JSON.parse of Node 24 has seen
 * the name "\\" at a place, it takes "\u0061" there for the same, and is no measure for anything.
 */
const name = fc
  .oneof(
    fc.constantFrom("a", "b", "model", "__proto__", "constructor", "", 'q"', "é", "😀", "\ud800", "a\nb", "\u2028"),
    fc.string({ unit: "binary", maxLength: 4 }),
  )
  .filter((text) => !text.startsWith("\\"));
const fields = fc.array(fc.tuple(name, fc.jsonValue({ maxDepth: 2 }))).map((entries) => {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) define(object, key, value);
  return object;
});
const space = fc.constantFrom("", "", " ", "\n\t", "\r\n  ");

function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** A JSON string with some of its characters escaped. */
const spelled = (text: string): fc.Arbitrary<string> => {
  const characters = Array.from(text);
  return fc
    .array(fc.boolean(), { minLength: characters.length, maxLength: characters.length })
    .map((escape) => `"${characters.map((char, i) => (escape[i] === true ? escaped(char) : plain(char))).join("")}"`);
};
const plain = (character: string): string => JSON.stringify(character).slice(1, -1);
const escaped = (character: string): string =>
  character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");

/** An object as someone may have written it: names twice, escapes and white space anywhere. */
const body = fc
  .array(
    fc
      .tuple(name, fc.jsonValue({ maxDepth: 3 }), space, space, fc.nat(2))
      .chain(([key, value, before, behind, indent]) =>
        spelled(key).map(
          (text) => `${before}${text}${behind}:${before}${JSON.stringify(value, null, indent)}${behind}`,
        ),
      ),
    { maxLength: 6 },
  )
  .chain((members) => fc.tuple(space, space).map(([a, b]) => `${a}{${b}${members.join(",")}}${a}`));

test("edits as spreading parsed objects over one another does", () => {
  fc.assert(
    fc.property(body, fields, fields, (text, set, defaults) => {
      const edited = edit({ set, defaults }, text);
      const wanted = Object.entries({ ...defaults, ...(JSON.parse(text) as object), ...set });
      expect(new Map(Object.entries(JSON.parse(edited) as object))).toEqual(
        new Map(Object.entries(JSON.parse(JSON.stringify(Object.fromEntries(wanted))) as object)),
      );
      expect(edit({ set, defaults }, edited)).toBe(edited);
    }),
    { numRuns: 300 },
  );
});

test("keeps every byte that it was not asked to change", () => {
  fc.assert(
    fc.property(body, fields, (text, defaults) => {
      const edited = edit({ defaults }, text);
      const missing = Object.keys(defaults).filter((key) => !Object.hasOwn(JSON.parse(text) as object, key));
      const added = missing.map((key) => `${JSON.stringify(key)}:${JSON.stringify(defaults[key])}`).join(",");
      const last = text.slice(0, text.lastIndexOf("}")).trimEnd().length;
      const comma = text[last - 1] === "{" || added === "" ? "" : ",";
      expect(edited).toBe(text.slice(0, last) + comma + added + text.slice(last));
    }),
    { numRuns: 300 },
  );
});
