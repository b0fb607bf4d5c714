import { createProxy, definePlugin, type Plugin, type Target, type TargetSpec } from "plugboard";
import { leastConnections, model, roundRobin } from "plugboard/plugins";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { disaggregate } from "plugboard/plugins/resolve/disaggregate";
import { testPlugin, testResolver } from "plugboard/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { keptLog } from "../../core/kept-log.ts";
import { openDecode, openUnified } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import { chat, counts, openStage } from "./_disaggregate-stage.ts";

describe("as a plugin", () => {
  testPlugin({
    test,
    create: () => disaggregate({ prefill: roundRobin() }),
    badOptions: [
      { options: { prefill: "round-robin" }, says: /prefill.*Expected a selector/s },
      { options: { prefillAttempts: 0 }, says: "prefillAttempts" },
      { options: { bootstrapPort: 70_000 }, says: "bootstrapPort" },
      { options: { trust: "yes" }, says: /trust.*Expected true or false/s },
    ],
  });

  test("refuses a prefill plugin that is no selector", async () => {
    const plugins = [staticTargets({ targets: ["http://127.0.0.1:9"] }), disaggregate({ prefill: model() })];
    await expect(createProxy({ plugins })).rejects.toThrow("model, which provides no selector");
  });
});

describe("where no target has a role", () => {
  testResolver({ test, create: () => model(), others: () => [disaggregate()], name: "Qwen" });

  test("selectors see the route's own array, and requests pass as they are", async () => {
    const seen = new Set<readonly Target[]>();
    const room = engineRoom({ trusted: true, anyRequestId: true });
    const workers = await Promise.all(["U1", "U2"].map((name) => openUnified(room, { name })));
    const specs = { U1: { meta: {} }, U2: { meta: { role: "unified" } } };
    const { ask, proxy } = await openStage(room, workers, { specs, plugins: [watcher(seen)] });
    const body = `{"model":"m", "messages":[],"kv_transfer_params":{"a":1.0},"bootstrap_room":1}`;
    const headers = { "x-prefiller-url": "http://10.0.0.1" };
    for (let i = 0; i < 3; i++) expect((await ask(body, { headers })).status).toBe(200);
    const [first] = workers.flatMap(({ received }) => received);
    expect([first?.text, first?.headers["x-prefiller-url"], first?.requestId]).toEqual([
      body,
      headers["x-prefiller-url"],
      undefined,
    ]);
    expect(seen.size).toBe(1);
    const { steps, candidates } = await proxy.explain({ path: "/v1/chat/completions", body });
    expect(steps.filter(({ note }) => note.startsWith("disaggregate"))).toEqual([]);
    expect(candidates.every(({ kept }) => kept)).toBe(true);
  });
});

/** What it leaves of the candidates, and what it was given. */
function watcher(seen: Set<readonly Target[]>): Plugin {
  return definePlugin({
    name: "watcher",
    setup: () => ({
      candidates: {
        after: ["disaggregate"],
        handler(_x, targets) {
          seen.add(targets);
          return targets;
        },
      },
    }),
  })();
}

describe("what targets say", () => {
  async function warnings(...targets: readonly Omit<TargetSpec, "url">[]): Promise<string[]> {
    const { log, lines } = keptLog();
    const specs = targets.map((target, i) => ({ id: `t${i + 1}`, url: `http://127.0.0.1:${i + 1}`, ...target }));
    const plugins = [staticTargets({ targets: specs }), leastConnections(), disaggregate()];
    const proxy = await createProxy({ plugins }, { log });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    await proxy.reload({ plugins });
    await proxy.explain({ path: "/v1/chat/completions", body: "{}" });
    return lines.filter((line) => line.startsWith("warn"));
  }

  test("is warned of once when it is none of the words, and the target counts as unified", async () => {
    expect(
      await warnings(
        { meta: { role: "decoder" } },
        { labels: { role: "prefill", protocol: "mooncake" } },
        { meta: { role: "prefill", protocol: "sglang", bootstrapPort: "eight" } },
        { meta: { role: "prefill", protocol: "sglang" }, labels: { bootstrapPort: "none" } },
        { meta: { role: "decode" } },
      ),
    ).toEqual([
      'warn: target t1 has the role "decoder"; use prefill, decode or unified; it counts as unified',
      'warn: target t2 has the protocol "mooncake"; use nixl or sglang; it counts as unified',
      'warn: target t3 has the bootstrapPort "eight"; use a number from 1 to 65535, or null; it counts as unified',
    ]);
  });

  test("may be said by labels, as registries carry them", async () => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P" });
    const decode = await openDecode(room, { name: "D" });
    const specs = {
      P: { meta: {}, labels: { role: "prefill", protocol: "nixl" } },
      D: { meta: {}, labels: { role: "decode" } },
    };
    const { ask } = await openStage(room, [prefill, decode], { specs });
    expect((await ask(chat)).status).toBe(200);
    expect(counts(prefill, decode)).toEqual({ P: 1, D: 1 });
    room.expectNoComplaints();
  });
});

describe("explain", () => {
  test.each([
    ["nixl", "disaggregate: two phases (nixl): prefill on P, then decode"],
    ["sglang", "disaggregate: two phases (sglang): prefill on P at the same time"],
  ] as const)("tells both phases of %s, and sends nothing", async (protocol, note) => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P", protocol });
    const decode = await openDecode(room, { name: "D", protocol });
    const unified = await openUnified(room, { name: "U", protocol });
    const { proxy } = await openStage(room, [prefill, decode, unified]);
    const explained = await proxy.explain({ path: "/v1/chat/completions", body: JSON.stringify(chat) });
    expect(explained.steps.map((step) => step.note)).toContain(note);
    expect(explained.attempts).toEqual(["D", "U"]);
    expect(Object.fromEntries(explained.candidates.map(({ id, kept, reason }) => [id, kept || reason]))).toEqual({
      P: "dropped by plugin disaggregate",
      D: true,
      U: "dropped by plugin disaggregate",
    });
    expect(counts(prefill, decode, unified)).toEqual({ P: 0, D: 0, U: 0 });
  });

  test("tells that there is no pair", async () => {
    const room = engineRoom();
    const { proxy } = await openStage(room, [await openDecode(room, { name: "D" })]);
    const { steps } = await proxy.explain({ path: "/v1/chat/completions", body: JSON.stringify(chat) });
    expect(steps.map(({ note }) => note)).toContain(
      "disaggregate: no pair of prefill and decode targets is available, so it is served in one phase",
    );
  });
});
