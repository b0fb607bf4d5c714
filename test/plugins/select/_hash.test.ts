import fc from "fast-check";
import { expect, test } from "vitest";
import { hashBytes, hashParts, hashText, seeds } from "../../../plugins/select/_hash.ts";

function hashesOf(parts: readonly string[], most = Infinity): number[] {
  const hashes = new Int32Array(2);
  hashParts(parts, most, hashes);
  return [...hashes];
}

test("the hashes of parts are those of the text they make with spaces between", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 4 }), (parts) => {
      expect(hashesOf(parts)).toEqual(seeds.map((seed) => hashText(parts.join(" "), seed)));
    }),
  );
});

test("of a long part the beginning and the length count", () => {
  expect(hashesOf(["abcd", "e"], 3)).toEqual(hashesOf(["abcx", "e"], 3));
  expect(hashesOf(["abcd", "e"], 3)).not.toEqual(hashesOf(["abcde", "e"], 3));
  expect(hashesOf(["abc", "e"], 3)).toEqual(hashesOf(["abc", "e"]));
});

test("bytes have the same hash through a view and without, and in pieces of words as in one", () => {
  const hashOf = (bytes: Uint8Array | DataView, ...ends: readonly number[]): number[] => {
    const state = Int32Array.of(1, 1);
    let from = 0;
    for (const end of ends) {
      hashBytes(bytes, from, end, state);
      from = end;
    }
    return [...state];
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const words = 8 * Math.floor(bytes.length / 16);
      expect(hashOf(view, bytes.length)).toEqual(hashOf(bytes, bytes.length));
      expect(hashOf(bytes, words, bytes.length)).toEqual(hashOf(bytes, bytes.length));
    }),
  );
});
