import assert from "node:assert/strict";
import type { Proxy } from "../contract/proxy.ts";
import type { Grudge, TransportSink } from "../contract/services.ts";
import { definePlugin, defineSelector, type Plugin } from "../plugin.ts";
import type { Test } from "./plugin.ts";
import { createQuietProxy } from "./quiet-proxy.ts";
import { until } from "./within.ts";

export interface GrudgeSuite {
  readonly test: Test;
  /** A new plugin for each case; it takes a target out of rotation by itself for what its answers are. */
  readonly create: () => Plugin;
  /** Statuses, or `"refused"`, of answers in a row that make it hold something against a target. */
  readonly offend: readonly (number | "refused")[];
  /** Headers of those answers. @default none */
  readonly headers?: Readonly<Record<string, string>>;
}

interface Rig {
  readonly grudge: Grudge;
  /** Has a target answer so that the plugin takes it out. */
  offend(id: string): Promise<void>;
  available(): string[];
}

/**
 * Tests the laws that hold for everything that a plugin holds against targets and operators can have forgotten.
 *
 * @example
 * testGrudge({ test, create: () => coolDown(), offend: [429], headers: { "retry-after": "60" } });
 */
export function testGrudge(suite: GrudgeSuite): void {
  const rigged = (name: string, law: (rig: Rig) => Promise<void>): void => {
    suite.test(name, () => withRig(suite, law));
  };

  rigged("holds nothing in the beginning, and nothing against a target that is not there", async ({ grudge }) => {
    assert.deepEqual([grudge.forget(), grudge.forget("a"), grudge.forget("nobody")], [0, 0, 0]);
  });

  rigged("forgets one target, and no other", async ({ grudge, offend, available }) => {
    await offend("a");
    await offend("b");
    assert.equal(grudge.forget("nobody"), 0);
    assert.equal(grudge.forget("a"), 1, "it does not say that it forgot one target");
    await until(() => available().includes("a"), "a takes requests again");
    assert.ok(!available().includes("b"), "it forgot another one too");
    assert.equal(grudge.forget("a"), 0, "it forgets the same twice");
  });

  rigged("forgets all, and says of how many", async ({ grudge, offend, available }) => {
    await offend("a");
    await offend("b");
    assert.equal(grudge.forget(), 2);
    await until(() => available().length === ids.length, "all take requests again");
    assert.equal(grudge.forget(), 0);
  });

  rigged("is as strict as before with what comes after", async ({ grudge, offend, available }) => {
    await offend("a");
    grudge.forget("a");
    await until(() => available().includes("a"), "a takes requests again");
    await offend("a");
    assert.equal(grudge.forget(), 1);
  });
}

/** As many that half of them may be out. */
const ids: readonly string[] = ["a", "b", "c", "d", "e"];

async function withRig({ create, offend, headers = {} }: GrudgeSuite, run: (rig: Rig) => Promise<void>): Promise<void> {
  let found: ReadonlyMap<string, Grudge> | undefined;
  let next: number | "refused" = 200;
  const world = definePlugin({
    name: "suite-targets",
    setup(proxy) {
      const grudges = proxy.useAll("grudge");
      proxy.onReady(() => void (found = grudges.value));
      proxy.provide("discovery", "suite", {
        start: (sink) => sink.replace(ids.map((id) => ({ id, url: `suite://${id}` }))),
      });
      proxy.provide("transport", "suite", {
        schemes: ["suite"],
        send(_target, _x, sink) {
          answer(sink, next, headers);
          return { abort: () => {}, resume: () => {} };
        },
      });
    },
  });
  const named = defineSelector({
    name: "suite-named",
    pick: (targets, x) => targets.find(({ id }) => x.path === `/${id}`),
  });
  const proxy = await createQuietProxy({ plugins: [world(), named(), create()], retry: { attempts: 1 } });
  try {
    const [grudge] = (found ?? new Map<string, Grudge>()).values();
    assert.ok(grudge, "it provides no grudge");
    const available = (): string[] => proxy.pools().flatMap(({ snapshot }) => snapshot.available.map(({ id }) => id));
    await run({
      grudge,
      available,
      async offend(id) {
        for (next of offend) await ask(proxy, id);
        next = 200;
        await until(() => !available().includes(id), `target ${id} is taken out`);
      },
    });
  } finally {
    await proxy.close({ deadline: 0 });
  }
}

function answer(sink: TransportSink, status: number | "refused", headers: Readonly<Record<string, string>>): void {
  if (status === "refused") return sink.error(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
  sink.connected();
  sink.head(status, { ...headers });
  sink.end();
}

async function ask(proxy: Proxy, id: string): Promise<void> {
  const response = await proxy.fetch(new Request(`http://proxy/${id}`));
  await response.arrayBuffer();
}
