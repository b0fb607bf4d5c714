import { expect, test } from "vitest";
import { definePlugin, type Plugin, type ProxyConfig, type Target } from "plugboard";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { answering, type Script } from "./evil-upstream.ts";
import { chunk, get, lastChunk, ok, okEvents } from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";
import type { OpenResponse } from "./raw-client.ts";
import { counter, within } from "./waiting.ts";

/** A plugin that counts the generations it was set up for and those that were closed. */
function lifecycle(): {
  plugin(): Plugin;
  set: number;
  readonly closed: ReturnType<typeof counter>;
} {
  const life = { plugin: (): Plugin => define(), set: 0, closed: counter() };
  const define = definePlugin({
    name: "lifecycle",
    setup(proxy) {
      life.set++;
      proxy.onClose(() => life.closed.add());
    },
  });
  return life;
}

const script: Script = answering(({ path }) =>
  path.startsWith("/stream") ? okEvents() + chunk("data: 1\n\n") : ok(path),
);

const withPlugin = (config: ProxyConfig, ...plugins: Plugin[]): ProxyConfig => ({
  ...config,
  plugins: [...config.plugins.filter((plugin) => !plugins.some((other) => nameOf(plugin) === other.name)), ...plugins],
});

function nameOf(plugin: ProxyConfig["plugins"][number]): string | undefined {
  return typeof plugin === "object" && plugin !== null && "name" in plugin ? plugin.name : undefined;
}

async function openStream(wire: Wire, path: string): Promise<OpenResponse> {
  const client = await wire.client();
  await client.send(get(path));
  const response = await client.head();
  expect((await response.next())?.data.toString()).toBe("data: 1\n\n");
  return response;
}

/** A keep-alive client that asks until it is told to stop; returns how many answers it got. */
async function asking(wire: Wire, running: { on: boolean }): Promise<number> {
  const client = await wire.client();
  let count = 0;
  for (; running.on; count++) {
    const path = `/${client.localPort}/${count}`;
    await client.send(get(path));
    expect(await client.response()).toMatchObject({ status: 200, text: path, ending: "complete" });
  }
  return count;
}

test(
  "100 reloads under load: no request fails, no stream is cut, no connection closes, old generations are closed",
  { timeout: 30_000 },
  async () => {
    const life = lifecycle();
    const wire = await openWire([script, script], { plugins: [life.plugin()] });
    const streams = await Promise.all(["/stream/1", "/stream/2", "/stream/3"].map((path) => openStream(wire, path)));
    const running = { on: true };
    const clients = Promise.all(Array.from({ length: 8 }, () => asking(wire, running)));
    const first = wire.proxy.status().generation;
    for (let reload = 1; reload <= 100; reload++) {
      const { generation } = await wire.proxy.reload(withPlugin(wire.config, life.plugin()));
      expect(generation).toBe(first + reload);
      if (reload % 20 === 0) streams.push(await openStream(wire, `/stream/after/${reload}`));
    }
    running.on = false;
    const counts = await clients;
    expect(Math.min(...counts)).toBeGreaterThan(0);

    const peers = wire.upstreams.flatMap((upstream) => upstream.peers);
    const serving = peers.filter((peer) => peer.reader.received.toString("latin1").includes("/stream"));
    await Promise.all(serving.map((peer) => peer.write(chunk("data: 2\n\n") + lastChunk)));
    for (const stream of streams)
      expect(await stream.whole()).toMatchObject({ text: "data: 2\n\n", ending: "complete" });

    await within(life.closed.reached(100), "100 generations are closed");
    expect(life.set).toBe(101);
    expect(wire.proxy.status().reloadError).toBeUndefined();
  },
);

test("what is known of a target survives: counters, connections, requests under way", async () => {
  const targets: Target[] = [];
  const watch = definePlugin({
    name: "watch",
    setup: () => ({
      attemptEnd(_x, target) {
        targets.push(target);
        return undefined;
      },
    }),
  });
  const wire = await openWire(script, { plugins: [watch()] });
  const client = await wire.client();
  const stream = await openStream(wire, "/stream");
  for (let index = 0; index < 5; index++) {
    await client.send(get("/"));
    await client.response();
    await wire.proxy.reload(withPlugin(wire.config, watch()));
  }
  expect(targets.at(-1)?.live).toMatchObject({ requests: 6, inflight: 1, failures: 0 });
  expect(wire.upstream.peers).toHaveLength(2);
  await wire.upstream.peers[0]?.write(lastChunk);
  await stream.whole();
});

const stamp = (value: string): Plugin =>
  definePlugin({
    name: "stamp",
    setup: () => ({ upstreamResponse: (_x, head) => void (head.headers["x-generation"] = value) }),
  })();

test("an exchange goes on with the generation it began with", async () => {
  const wire = await openWire(undefined, { plugins: [stamp("old")] });
  const client = await wire.client();
  await client.send(get("/1"));
  const peer = await wire.upstream.accept();
  await peer.request();
  await wire.proxy.reload(withPlugin(wire.config, stamp("new")));
  await peer.write(ok());
  expect((await client.response()).get("x-generation")).toBe("old");
  await client.send(get("/2"));
  await peer.request();
  await peer.write(ok());
  expect((await client.response()).get("x-generation")).toBe("new");
});

test("a generation is closed when its last exchange has ended, not before", async () => {
  const life = lifecycle();
  const wire = await openWire(script, { plugins: [life.plugin()] });
  const stream = await openStream(wire, "/stream");
  await wire.proxy.reload(withPlugin(wire.config, life.plugin()));
  await wire.exchange(get("/"));
  expect(life.closed.count).toBe(0);
  await wire.upstream.peers[0]?.write(lastChunk);
  await stream.whole();
  await within(life.closed.reached(1), "the old generation is closed");
});

const failing = (fail: "setup" | "ready"): Plugin =>
  definePlugin({
    name: "failing",
    setup(proxy) {
      if (fail === "setup") throw new Error("a mistake in setup");
      proxy.onReady(() => {
        throw new Error("a mistake in ready");
      });
    },
  })();

test.each([
  ["a setup that throws", (config: ProxyConfig) => withPlugin(config, failing("setup"))],
  ["an onReady that throws", (config: ProxyConfig) => withPlugin(config, failing("ready"))],
  ["a plugin twice", (config: ProxyConfig) => ({ ...config, plugins: [...config.plugins, roundRobin()] })],
  ["an unknown option", (config: ProxyConfig) => ({ ...config, limits: { bdoy: 1 } as object })],
  [
    "a config that throws",
    () => () => {
      throw new Error("a mistake in the config");
    },
  ],
])("%s: the reload is refused and the running generation stays", async (_what, change) => {
  const life = lifecycle();
  const wire = await openWire(script, { plugins: [life.plugin()] });
  const before = wire.proxy.status().generation;
  await expect(wire.proxy.reload(change(wire.config))).rejects.toThrow();
  expect(wire.proxy.status()).toMatchObject({
    generation: before,
    reloadError: expect.any(String),
  });
  expect((await wire.exchange(get("/"))).status).toBe(200);
  await wire.proxy.reload(withPlugin(wire.config, life.plugin()));
  expect(wire.proxy.status()).toMatchObject({ generation: before + 1, reloadError: undefined });
});

test("a target that left the config gets no more requests, its stream goes on", async () => {
  const wire = await openWire([script, script]);
  const stream = await openStream(wire, "/stream");
  const [gone, kept] = wire.upstreams[0]?.requests.length === 1 ? wire.upstreams : wire.upstreams.toReversed();
  const only = await openWire(script);
  const { staticTargets } = await import("plugboard/plugins/discovery/static-targets");
  await wire.proxy.reload({
    ...only.config,
    plugins: [staticTargets({ targets: [{ url: kept?.url ?? "" }] }), roundRobin()],
  });
  for (let index = 0; index < 4; index++) expect((await wire.exchange(get("/"))).status).toBe(200);
  expect([gone?.requests.length, kept?.requests.length]).toEqual([1, 4]);
  await gone?.peers[0]?.write(lastChunk);
  expect((await stream.whole()).ending).toBe("complete");
});
