import fc from "fast-check";
import type { DiscoverySink } from "plugboard";
import { describe, expect, test } from "vitest";
import { idsOf, poolRig, published, specs } from "./pool-rig.ts";

describe("a discovery source", () => {
  test("that replaces is believed wholly: who is not in the list is gone", async () => {
    const { pool, sink } = poolRig();
    sink.replace(specs("a", "b"));
    await published();
    sink.replace(specs("b", "c"));
    await published();
    expect(idsOf(pool)).toEqual(["b", "c"]);
    sink.replace([]);
    await published();
    expect(idsOf(pool)).toEqual([]);
  });

  test("adds one, and removes one", async () => {
    const { pool, sink } = poolRig();
    sink.replace(specs("a"));
    sink.upsert({ id: "b", url: "http://b.test" });
    await published();
    expect(idsOf(pool)).toEqual(["a", "b"]);
    sink.remove("a");
    sink.remove("never heard of");
    await published();
    expect(idsOf(pool)).toEqual(["b"]);
  });

  test("that says something new of a target changes it in its place", async () => {
    const { pool, sink } = poolRig();
    sink.replace(specs("a", "b"));
    await published();
    const live = pool.snapshot.all[0]?.live;
    sink.upsert({ id: "a", url: "http://a.test", weight: 5, models: ["m"] });
    await published();
    expect(idsOf(pool)).toEqual(["a", "b"]);
    expect(pool.snapshot.all[0]).toMatchObject({ weight: 5, models: ["m"] });
    expect(pool.snapshot.all[0]?.live).toBe(live);
  });

  test("that fails keeps what it said last, and is told of", async () => {
    const { pool, sink, sources } = poolRig();
    sink.replace(specs("a"));
    sink.fail(new Error("registry is gone"));
    await published();
    expect(idsOf(pool)).toEqual(["a"]);
    expect(sources).toEqual(["one: well", "one: registry is gone"]);
  });

  test.each([
    ["a whole list", (sink: DiscoverySink) => sink.replace([])],
    ["one target", (sink: DiscoverySink) => sink.upsert({ url: "http://a.test" })],
  ])("is well again with its next word: %s", (_what, say) => {
    const { sink, sources } = poolRig();
    sink.fail(new Error("gone"));
    say(sink);
    expect(sources).toEqual(["one: gone", "one: well"]);
  });

  test("does not see what others said", async () => {
    const { pool, sink } = poolRig();
    const other = pool.sink("two");
    sink.replace(specs("a"));
    other.replace(specs("b"));
    sink.remove("b");
    sink.replace([]);
    await published();
    expect(idsOf(pool)).toEqual(["b"]);
  });
});

describe("two sources with one target", () => {
  test("make one target of it, and the first in the config speaks for it", async () => {
    const { pool, sink } = poolRig();
    const other = pool.sink("two");
    other.replace([{ id: "a", url: "http://a.test", weight: 2 }]);
    sink.replace([{ id: "a", url: "http://a.test", weight: 1 }]);
    await published();
    expect(pool.snapshot.all).toMatchObject([{ id: "a", weight: 1 }]);
  });

  test("go on with the other's word when one takes it back, on the same counters", async () => {
    const { pool, sink, ledger } = poolRig();
    const other = pool.sink("two");
    sink.replace([{ id: "a", url: "http://a.test", weight: 1 }]);
    other.replace([{ id: "a", url: "http://a.test", weight: 2 }]);
    ledger.down("a", "probe", "broken");
    await published();
    const live = pool.snapshot.all[0]?.live;
    sink.replace([]);
    await published();
    expect(pool.snapshot).toMatchObject({ all: [{ id: "a", weight: 2 }], available: [] });
    expect(pool.snapshot.all[0]?.live).toBe(live);
  });
});

test("whatever a source says, the pool holds what was last said of each target", async () => {
  const id: fc.Arbitrary<string> = fc.constantFrom("a", "b", "c", "d");
  const word = fc.oneof(
    fc.record({ replace: fc.uniqueArray(id) }),
    fc.record({ upsert: id, weight: fc.nat(3) }),
    fc.record({ remove: id }),
    fc.constant({ fail: true }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 20 }), async (words) => {
      const { pool, sink } = poolRig();
      const model = new Map<string, number>();
      for (const said of words) {
        if ("replace" in said) {
          for (const known of model.keys()) if (!said.replace.includes(known)) model.delete(known);
          for (const each of said.replace) model.set(each, 1);
          sink.replace(specs(...said.replace));
        } else if ("upsert" in said) {
          model.set(said.upsert, said.weight);
          sink.upsert({ id: said.upsert, url: `http://${said.upsert}.test`, weight: said.weight });
        } else if ("remove" in said) {
          model.delete(said.remove);
          sink.remove(said.remove);
        } else sink.fail(new Error("gone"));
      }
      pool.flush();
      expect(Object.fromEntries(pool.snapshot.all.map((target) => [target.id, target.weight]))).toEqual(
        Object.fromEntries(model),
      );
    }),
  );
});
