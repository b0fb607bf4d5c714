import { expect, test } from "vitest";
import { fakeTarget, seededRandom } from "plugboard/testing";
import {
  createStore,
  findBlocks,
  forgetOthers,
  numberOf,
  ownersPerBlock,
  type PrefixStore,
  rememberBlocks,
} from "../../../plugins/select/_prefix-index.ts";

test("remembers what a list in the order of use would, through all that comes and goes", () => {
  const [max, random] = [50, seededRandom(1)];
  const below = (limit: number): number => Math.floor(random() * limit);
  const store = createStore(max, 512);
  const targets = Array.from({ length: 12 }, (_, i) => fakeTarget({ id: `t${i}` }));
  let model = new Map<number, string[]>();
  for (let step = 0; step < 5_000; step++) {
    if (below(100) === 0) {
      const [gone] = targets.splice(below(targets.length), 1, fakeTarget({ id: `t${step}` }));
      forgetOthers(store, targets);
      const left = [...model].map(([hash, ids]) => [hash, ids.filter((id) => id !== gone?.id)] as const);
      model = new Map(left.filter(([, ids]) => ids.length > 0).map(([hash, ids]) => [hash, [...ids]]));
    }
    const chain = Array.from({ length: 1 + below(6) }, (_, i) => 64 * below(20) + i);
    const target = targets[below(targets.length)] ?? fakeTarget();
    rememberBlocks(store, Int32Array.from(chain), chain.length, numberOf(store, target));
    for (const hash of chain.toReversed()) {
      const ids = [target.id, ...(model.get(hash) ?? []).filter((id) => id !== target.id)].slice(0, ownersPerBlock);
      model.delete(hash);
      const [oldest] = model.keys();
      if (model.size === max && oldest !== undefined) model.delete(oldest);
      model.set(hash, ids);
    }
    if (step % 50 === 0) expect(contents(store)).toEqual([...model].toReversed());
  }
});

test("gives numbers again of targets that are gone, as many as ever come", () => {
  const store = createStore(10, 512);
  const numbers = new Set<number>();
  for (let i = 0; i < 70_000; i++) {
    numbers.add(numberOf(store, fakeTarget({ id: `t${i}` })));
    forgetOthers(store, []);
  }
  expect([...numbers]).toEqual([1]);
});

test("has no number for more targets at a time than it can tell apart", () => {
  const store = createStore(10, 512);
  const numbers = Array.from({ length: 65_537 }, (_, i) => numberOf(store, fakeTarget({ id: `t${i}` })));
  expect(numbers.slice(-3)).toEqual([65_535, 0, 0]);
});

test("takes no more than 40 bytes for a block", () => {
  for (const max of [1_000, 100_000, 131_071, 131_072]) {
    const arrays = Object.values(createStore(max, 512)).filter((value): value is Int32Array =>
      ArrayBuffer.isView(value),
    );
    const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes / max).toBeLessThan(40.1);
  }
});

/** Blocks and the ids of their targets, the last used first. */
function contents(store: PrefixStore): [number, string[]][] {
  const ids = new Map([...store.numbers].map(([face, number]) => [number, face]));
  const found: [number, string[]][] = [];
  for (let entry = store.newest; entry !== 0; entry = store.older[entry] ?? 0) {
    const hash = store.hashes[entry] ?? 0;
    const into = new Uint32Array(1);
    expect([findBlocks(store, Int32Array.of(hash), 1, into), into[0]]).toEqual([1, entry]);
    const owners = store.owners.subarray(entry * ownersPerBlock, (entry + 1) * ownersPerBlock);
    found.push([hash, [...owners].filter((number) => number !== 0).map((number) => ids.get(number) ?? "gone")]);
  }
  return found;
}
