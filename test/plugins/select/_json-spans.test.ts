import fc from "fast-check";
import { expect, test } from "vitest";
import { eachElement, eachMember } from "../../../plugins/select/_json-spans.ts";

/** Spellings of one value: spaces, and strings that are all escapes. */
function spell(value: unknown, style: number): string {
  const text = style % 2 === 0 ? JSON.stringify(value) : JSON.stringify(value, null, 2);
  if (style < 2) return text;
  return text.replaceAll(/[^\u0020-\u007e\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const fewer = { numRuns: 40 };

test("finds the members that JSON.parse finds, in any spelling", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), fc.nat(3), (json, style) => {
      const bytes = Buffer.from(spell(json, style));
      const found: [string, unknown][] = [];
      eachMember(bytes, (name, start, end) => found.push([name, JSON.parse(bytes.toString("utf8", start, end))]));
      expect(found).toEqual(Object.entries(JSON.parse(bytes.toString()) as object));
    }),
    fewer,
  );
});

test("finds the elements that JSON.parse finds, as far as asked", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.nat(3), fc.nat(5), (json, style, most) => {
      const bytes = Buffer.from(spell(json, style));
      const found: unknown[] = [];
      eachElement(bytes, 0, (start, end) => {
        found.push(JSON.parse(bytes.toString("utf8", start, end)));
        return found.length > most;
      });
      expect(found).toEqual((JSON.parse(bytes.toString()) as unknown[]).slice(0, most + 1));
    }),
    fewer,
  );
});

test("ends, within the bytes, for whatever it is given", () => {
  const pieces = fc.constantFrom("{", "}", "[", "]", '"', "\\", ":", ",", '"a"', "1", " ", "x", "\uFEFF");
  fc.assert(
    fc.property(fc.array(pieces), (parts) => {
      const bytes = Buffer.from(parts.join(""));
      const inside = (start: number, end: number): void => {
        expect(start).toBeLessThan(end);
        expect(end).toBeLessThanOrEqual(bytes.length);
      };
      eachMember(bytes, (_name, start, end) => inside(start, end));
      eachElement(bytes, 0, inside);
    }),
    { numRuns: 1_000 },
  );
});
