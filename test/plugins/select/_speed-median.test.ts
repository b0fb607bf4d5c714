import fc from "fast-check";
import { expect, test } from "vitest";
import { medianOf } from "../../../plugins/select/_speed-median.ts";

test("finds the middle one, the lower of two, whatever the order", () => {
  const value = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double({ min: 0, noNaN: true }));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), (values) => {
      const sorted = values.toSorted((a, b) => a - b);
      expect(medianOf(Float64Array.from([...values, -1, -1]), values.length)).toBe(sorted[(values.length - 1) >> 1]);
    }),
  );
});
