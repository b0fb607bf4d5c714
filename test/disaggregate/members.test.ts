import { expect, test } from "vitest";
import { membersOf, parsed, valuesOf } from "./members.ts";

const text = String.raw` { "a" : {"b":[1, "}"],"c":{}} ,"\u0061":12345678901234567890, "s":"\\\"{,:" ,"e":[ ],"n":-0}`;

test("members keep their order and their spelling, doubles too", () => {
  expect(membersOf(text)).toEqual([
    { name: "a", key: '"a"', value: '{"b":[1, "}"],"c":{}}' },
    { name: "a", key: String.raw`"\u0061"`, value: "12345678901234567890" },
    { name: "s", key: '"s"', value: String.raw`"\\\"{,:"` },
    { name: "e", key: '"e"', value: "[ ]" },
    { name: "n", key: '"n"', value: "-0" },
  ]);
});

test("of two members of one name all are told, and the last one counts", () => {
  expect(valuesOf(membersOf(text), "a")).toHaveLength(2);
  expect(parsed(membersOf('{"a":1,"a":2}'), "a")).toBe(2);
});

test("what is no object has no members", () => {
  for (const other of ["", "{", "[]", "null", '"{}"', "{}", "nonsense"]) expect(membersOf(other)).toEqual([]);
});
