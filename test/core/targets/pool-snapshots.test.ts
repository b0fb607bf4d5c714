import { describe, expect, test } from "vitest";
import { poolRig, published, specs } from "./pool-rig.ts";

describe("a snapshot", () => {
  test("is there from the start, empty and frozen", () => {
    const { pool } = poolRig();
    expect(pool.snapshot).toEqual({ version: 0, all: [], available: [], disabled: [] });
    expect([pool.snapshot, pool.snapshot.all, pool.snapshot.available].every(Object.isFrozen)).toBe(true);
  });

  test("is published once per tick, however much was said in it", async () => {
    const { pool, sink, snapshots, ledger } = poolRig();
    sink.replace(specs("a", "b"));
    sink.remove("b");
    sink.replace(specs("a", "c", "d"));
    ledger.down("c", "probe", "broken");
    expect(pool.snapshot.version).toBe(0);
    await published();
    expect(snapshots).toHaveLength(1);
    expect(pool.snapshot).toBe(snapshots[0]);
    expect(pool.snapshot.all.map(({ id }) => id)).toEqual(["a", "c", "d"]);
    expect(pool.snapshot.available.map(({ id }) => id)).toEqual(["a", "d"]);
  });

  test("and what it holds cannot be changed", async () => {
    const { pool, sink } = poolRig();
    sink.replace([{ url: "http://a.test", models: ["m"], labels: { zone: "z" }, meta: { price: 1 } }]);
    await published();
    const [target] = pool.snapshot.all;
    for (const part of [pool.snapshot, pool.snapshot.all, pool.snapshot.available])
      expect(part).toSatisfy(Object.isFrozen);
    for (const part of [target?.models, target?.labels, target?.meta]) expect(part).toSatisfy(Object.isFrozen);
  });

  test("that was taken stays what it was when the next one comes", async () => {
    const { pool, sink } = poolRig();
    sink.replace(specs("a"));
    await published();
    const before = pool.snapshot;
    sink.replace(specs("b"));
    await published();
    expect(before.all.map(({ id }) => id)).toEqual(["a"]);
    expect(pool.snapshot.version).toBeGreaterThan(before.version);
  });

  test("is not made anew by the same list again: nothing changed", async () => {
    const { pool, sink } = poolRig();
    sink.replace(specs("a", "b"));
    await published();
    const before = pool.snapshot;
    sink.replace(specs("a", "b"));
    await published();
    expect(pool.snapshot).toBe(before);
  });

  test("is not made anew by a verdict that is known, or on a target of another pool", async () => {
    const { pool, sink, ledger } = poolRig();
    const other = poolRig(ledger);
    sink.replace(specs("a"));
    other.sink.replace(specs("b"));
    ledger.down("a", "probe", "broken");
    await published();
    const before = pool.snapshot;
    ledger.down("a", "probe", "broken");
    ledger.down("b", "probe", "broken");
    await published();
    expect(pool.snapshot).toBe(before);
  });
});

describe("those who listen for snapshots", () => {
  test("are told of each, in the order in which they came", async () => {
    const { pool, sink } = poolRig();
    const told: string[] = [];
    pool.onChange(({ version }) => void told.push(`a ${version}`));
    pool.onChange(({ version }) => void told.push(`b ${version}`));
    sink.replace(specs("a"));
    await published();
    sink.replace(specs("b"));
    await published();
    expect(told).toEqual(["a 1", "b 1", "a 2", "b 2"]);
  });

  test("see the pool as they are told of it", async () => {
    const { pool, sink } = poolRig();
    const same: boolean[] = [];
    pool.onChange((snapshot) => void same.push(pool.snapshot === snapshot));
    sink.replace(specs("a"));
    await published();
    expect(same).toEqual([true]);
  });

  test("and throw keep nobody else from hearing of it", () => {
    const { pool, sink } = poolRig();
    const told: number[] = [];
    pool.onChange(() => {
      throw new Error("boom");
    });
    pool.onChange(({ version }) => void told.push(version));
    sink.replace(specs("a"));
    expect(() => pool.flush()).not.toThrow();
    expect(told).toEqual([1]);
  });
});
