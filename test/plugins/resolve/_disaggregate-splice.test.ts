import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  editMembers,
  type MemberEdit,
  readElements,
  readMembers,
} from "../../../plugins/resolve/_disaggregate-splice.ts";

const remove: MemberEdit = { to: null };
const put = (text: string): MemberEdit => ({ to: Buffer.from(text), add: Buffer.from(text) });

function edit(body: string, edits: Readonly<Record<string, MemberEdit>>): string {
  return Buffer.from(editMembers(Buffer.from(body), new Map(Object.entries(edits)))).toString();
}

describe("editMembers", () => {
  test.each([
    ["takes a member out", `{"a":1, "x":2 ,"b":3}`, { x: remove }, `{"a":1 ,"b":3}`],
    ["takes the first one out", `{ "x":2, "b":3}`, { x: remove }, `{"b":3}`],
    ["takes the last one out", `{"a":1, "x":2 }`, { x: remove }, `{"a":1 }`],
    ["takes the only one out", `{ "x":2 }`, { x: remove }, `{ }`],
    ["takes all out", `{"x":1,"y":2,"x":3}`, { x: remove, y: remove }, `{}`],
    ["takes out what stands there twice", `{"x":1,"a":2,"x":3}`, { x: remove }, `{"a":2}`],
    ["knows a name by its meaning", String.raw`{"\u0078":1,"a":2}`, { x: remove }, `{"a":2}`],
    ["changes a value where it stands", `{"x" : 1, "b":2}`, { x: put("9") }, `{"x" : 9, "b":2}`],
    ["keeps the last of several", `{"x":1,"a":0,"x":2}`, { x: put("9") }, `{"a":0,"x":9}`],
    ["adds what is missing", `{"a":1 }`, { x: put("9"), y: put("8") }, `{"a":1,"x":9,"y":8 }`],
    ["adds to an empty object", `{}`, { x: put("9"), y: put("8") }, `{"x":9,"y":8}`],
    ["adds where all was taken out", `{"z":1}`, { z: remove, x: put("9") }, `{"x":9}`],
    ["adds nothing that is only replaced", `{"a":1}`, { x: { to: Buffer.from("9") } }, `{"a":1}`],
    ["leaves nested members alone", `{"a":{"x":1}}`, { x: remove }, `{"a":{"x":1}}`],
    ["leaves other values alone", `[{"x":1}]`, { x: put("9") }, `[{"x":1}]`],
  ])("%s", (_title, body, edits, expected) => {
    expect(edit(body, edits as Record<string, MemberEdit>)).toBe(expected);
  });

  test("returns a body that it does not change, the same object", () => {
    const body = Buffer.from(`{"a":1}`);
    expect(editMembers(body, new Map([["x", remove]]))).toBe(body);
  });

  test.each(["{", `{"a"}`, `{"a":1,}`, `{"a":1}x`, `{a:1}`])("refuses %s", (body) => {
    expect(() => edit(body, { x: put("9") })).toThrow(expect.objectContaining({ code: "invalid_json" }));
  });

  test("agrees with JSON.parse on any object", () => {
    const names = fc.constantFrom("x", "y", "a", "b", "__proto__");
    const object = fc.array(fc.tuple(names, fc.json()), { maxLength: 6 });
    const space = fc.constantFrom("", " ", "\n\t");
    fc.assert(
      fc.property(object, space, (members, gap) => {
        const body = `{${gap}${members.map(([name, value]) => `"${name}"${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}`;
        const expected = new Map(members.map(([name, value]) => [name, JSON.stringify(JSON.parse(value))]));
        expected.delete("x");
        expected.set("y", "9");
        const edited = readMembers(Buffer.from(edit(body, { x: remove, y: put("9") })));
        const found = [...(edited ?? [])].map(([name, value]) => [name, JSON.stringify(JSON.parse(value.toString()))]);
        expect(new Map(found as [string, string][])).toEqual(expected);
      }),
    );
  });
});

test("readElements gives the elements as they are spelt", () => {
  const elements = (text: string): string[] | undefined => readElements(Buffer.from(text))?.map(String);
  expect(elements(` [ 1.0 ,[2, 3], {"a" :1},"]" ]`)).toEqual(["1.0", "[2, 3]", `{"a" :1}`, `"]"`]);
  expect(elements("[]")).toEqual([]);
  expect(elements("{}")).toBeUndefined();
  expect(elements("")).toBeUndefined();
});
