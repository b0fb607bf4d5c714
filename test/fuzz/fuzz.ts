import fc from "fast-check";

/**
 * Holds a property against so many inputs, the same ones each time: what is found is found again. `FUZZ_SEED` takes others,
 * as fast-check tells them of a failure, and `FUZZ_RUNS` so many times as many.
 */
export function fuzz<T>(
  input: fc.Arbitrary<T>,
  holds: (value: T) => void | Promise<void>,
  runs: number,
): Promise<void> {
  const property = fc.asyncProperty(input, async (value) => {
    await holds(value);
  });
  const times = Number(process.env["FUZZ_RUNS"] ?? 1);
  return fc.assert(property, {
    seed: Number(process.env["FUZZ_SEED"] ?? 1),
    numRuns: runs * times,
  });
}

/** Bytes cut into chunks of these sizes, over and over; each in memory of its own. */
export function cut(bytes: Uint8Array, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(Buffer.from(bytes.slice(at, at + size)));
    at += size;
  }
  return chunks;
}

export const sizes: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });

/** A text with up to so many pieces of it lost, doubled, moved or replaced by one of these. */
export function damaged(text: fc.Arbitrary<string>, pieces: readonly string[], most = 3): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(),
    length: fc.nat(4),
    piece: fc.constantFrom("", ...pieces),
    twice: fc.boolean(),
  });
  return fc.tuple(text, fc.array(change, { minLength: 1, maxLength: most })).map(([given, changes]) =>
    changes.reduce((out, { at, length, piece, twice }) => {
      const start = at % (out.length + 1);
      return out.slice(0, start) + piece + out.slice(twice ? Math.max(0, start - length) : start + length);
    }, given),
  );
}
