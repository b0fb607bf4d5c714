import { createProxy, type DiscoverySink } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { keptLog } from "../kept-log.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { idsOf, poolRig, published, specs } from "./pool-rig.ts";

describe("a pool that is closed", () => {
  test("lets go of its targets", () => {
    const { pool, sink, ledger } = poolRig();
    sink.replace(specs("a"));
    pool.flush();
    const entry = ledger.hold("a");
    expect(entry.holders).toBe(2);
    pool.close();
    expect(entry.holders).toBe(1);
  });

  test("keeps its last snapshot for the exchanges that still use it, and makes no other", async () => {
    const { pool, sink, ledger, snapshots } = poolRig();
    sink.replace(specs("a"));
    await published();
    sink.replace(specs("b"));
    pool.close();
    ledger.down("a", "probe", "broken");
    await published();
    expect(snapshots).toHaveLength(1);
    expect(idsOf(pool)).toEqual(["a"]);
  });

  test("does not take anything more: a source that answers late holds on to nothing", async () => {
    const { pool, sink, ledger, snapshots } = poolRig();
    pool.close();
    sink.replace(specs("a"));
    sink.upsert({ id: "b", url: "http://b.test" });
    await published();
    expect(snapshots).toEqual([]);
    expect(ledger.hold("a").holders).toBe(1);
    expect(ledger.hold("b").holders).toBe(1);
  });
});

describe("what the status says of sources", () => {
  async function sourced(): Promise<{ sink: DiscoverySink; stale: () => unknown; warnings: () => readonly string[] }> {
    const sinks: DiscoverySink[] = [];
    const source = quickPlugin("registry", (setup) =>
      setup.provide("discovery", "registry", { pool: "gpu", start: (sink) => void sinks.push(sink) }),
    );
    const { log, lines } = keptLog();
    const proxy = await createProxy({ plugins: [source] }, { log });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    return { sink: sinks[0] as DiscoverySink, stale: () => proxy.status().stale, warnings: () => lines };
  }

  test("is nothing while they are well", async () => {
    const { sink, stale } = await sourced();
    sink.replace(specs("a"));
    expect(stale()).toEqual([]);
  });

  test("is which failed, for which pool, and why, until it is well again", async () => {
    const { sink, stale, warnings } = await sourced();
    sink.fail(new Error("503 from the registry"));
    expect(stale()).toEqual([{ source: "registry", pool: "gpu", error: "503 from the registry" }]);
    expect(warnings()).toEqual(["warn: discovery registry of pool gpu: 503 from the registry"]);
    sink.replace([]);
    expect(stale()).toEqual([]);
  });

  test("names what is no error in words", async () => {
    const { sink, stale } = await sourced();
    sink.fail({ code: 7 });
    expect(stale()).toMatchObject([{ error: "{ code: 7 }" }]);
  });

  test.each([
    ["a failure", (sink: DiscoverySink) => sink.fail(new Error("gone"))],
    ["a bad target", (sink: DiscoverySink) => sink.replace([{ url: "nonsense" }])],
  ])("is logged once for %s that is said again and again", async (_what, say) => {
    const { sink, warnings } = await sourced();
    for (let round = 0; round < 3; round++) say(sink);
    expect(warnings()).toHaveLength(1);
  });
});
