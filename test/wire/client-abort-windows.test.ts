import { definePlugin, type Exchange, type Plugin, type Setup } from "plugboard";
import { describe, expect, test, vi } from "vitest";
import { concurrency } from "../../plugins/load/concurrency.ts";
import { queue } from "../../plugins/load/queue.ts";
import { eventually } from "../e2e/eventually.ts";
import { closedUrl } from "./closed-port.ts";
import type { Peer } from "./evil-upstream.ts";
import { watchHooks, type WatchedHooks } from "./watched-hooks.ts";
import { chunk, get, message, ok, okEvents, post, postHead } from "./messages.ts";
import { openWire, type Wire, type WireOptions } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";

/** Where a request is when its client leaves. */
interface Window {
  readonly what: string;
  readonly options?: (hooks: WatchedHooks) => Promise<WireOptions> | WireOptions;
  /** How many upstreams there are. @default 1 */
  readonly upstreams?: number;
  /** Brings the request there; the upstream's ends of it, and what else is to be done when the client has left. */
  readonly reach: (wire: Wire, client: RawClient, hooks: WatchedHooks) => Promise<Reached>;
}

interface Reached {
  readonly peers: readonly Peer[];
  readonly after?: () => Promise<void>;
}

/** Says something of each target before the first request. */
function ofTargets(name: string, say: (proxy: Setup, id: string) => void): Plugin {
  return definePlugin({
    name,
    setup: (proxy) => proxy.onReady(() => proxy.pool().snapshot.all.forEach(({ id }) => say(proxy, id))),
  })();
}

const oneEach = (): Plugin => ofTargets("one-each", (proxy, id) => proxy.reporter("one-each").limit(id, 1));
const allDown = (): Plugin => ofTargets("all-down", (proxy, id) => proxy.reporter("all-down").down(id, "test"));

async function asked(wire: Wire, client: RawClient, request: string): Promise<Peer> {
  await client.send(request);
  const peer = await wire.upstream.accept();
  await peer.head();
  return peer;
}

/** Another client has the only place, and keeps it until the first one has left. */
async function behindAnother(wire: Wire, client: RawClient, waits: Promise<void>): Promise<Reached> {
  const other = await wire.client();
  const peer = await asked(wire, other, get("/other"));
  await client.send(get("/"));
  await within(waits, "the request waits");
  return {
    peers: [],
    async after() {
      await peer.write(ok("done"));
      expect((await other.response()).text).toBe("done");
      expect(wire.upstream.requests.map(({ path }) => path)).toEqual(["/other"]);
    },
  };
}

/** Holds back whatever comes. */
const gate = definePlugin({
  name: "gate",
  setup: (proxy) =>
    proxy.provide("gate", "gate", { match: () => true, create: () => ({ data: () => "hold" as const }) }),
});

const windows: readonly Window[] = [
  {
    what: "in the queue, for room at a target",
    options: () => ({ plugins: [queue(), oneEach()] }),
    reach: (wire, client, { recovering }) => behindAnother(wire, client, recovering.reached(1)),
  },
  {
    what: "in the queue, for a target that recovers",
    options: () => ({ plugins: [queue(), allDown()] }),
    async reach(wire, client, { recovering }) {
      await client.send(get("/"));
      await within(recovering.reached(1), "the request waits");
      return { peers: [], after: async () => expect(wire.upstream.peers).toEqual([]) };
    },
  },
  {
    what: "in line for a place in the proxy",
    options: () => ({ plugins: [concurrency({ process: 1 })] }),
    reach: (wire, client, { admitted }) => behindAnother(wire, client, admitted.reached(2)),
  },
  {
    what: "while a plugin prepares its request",
    options: () => ({
      plugins: [
        definePlugin({ name: "slow", setup: () => ({ upstreamRequest: () => new Promise<void>(() => {}) }) })(),
      ],
    }),
    async reach(wire, client, { prepared }) {
      await client.send(get("/"));
      await prepared.reached(1);
      return { peers: [], after: async () => expect(wire.upstream.peers).toEqual([]) };
    },
  },
  {
    what: "in the middle of its upload",
    async reach(wire, client) {
      await client.send(postHead("/", 100) + "half");
      const peer = await wire.upstream.accept();
      await (await peer.head()).next();
      return { peers: [peer] };
    },
  },
  {
    what: "while it waits for the head of an answer",
    reach: async (wire, client) => ({ peers: [await asked(wire, client, post("/", "hello"))] }),
  },
  {
    what: "while two targets are asked for one answer",
    upstreams: 2,
    async reach(wire, client, seen) {
      const peer = await asked(wire, client, get("/"));
      expect(seen.setup?.hedge(seen.last as Exchange)).toBe(true);
      const [, second] = wire.upstreams;
      const rival = (await second?.accept()) as Peer;
      await rival.head();
      return { peers: [peer, rival] };
    },
  },
  {
    what: "in the pause before another target is tried",
    options: async () => ({
      targets: [{ url: await closedUrl() }, { url: await closedUrl() }, { url: await closedUrl() }],
      retry: { attempts: 4 },
    }),
    async reach(wire, client, { prepared }) {
      // The longest pauses that there are: some 25, 50 and 100 ms.
      const chance = vi.spyOn(Math, "random").mockReturnValue(0.999);
      await client.send(get("/"));
      await prepared.reached(3);
      chance.mockRestore();
      return { peers: [], after: async () => expect(wire.upstream.requests).toEqual([]) };
    },
  },
  {
    what: "after the head of a stream, before its first token",
    async reach(wire, client) {
      const peer = await asked(wire, client, get("/"));
      await peer.write(okEvents() + chunk(": ping\n\n"));
      await client.head();
      return { peers: [peer] };
    },
  },
  {
    what: "while its answer is held back",
    options: () => ({ plugins: [gate()] }),
    async reach(wire, client, { answered }) {
      const peer = await asked(wire, client, get("/"));
      await peer.write(okEvents() + chunk('data: {"role":"assistant"}\n\n'));
      await answered.reached(1);
      return { peers: [peer] };
    },
  },
  {
    what: "in the middle of a stream",
    async reach(wire, client) {
      const peer = await asked(wire, client, get("/"));
      await peer.write(okEvents() + chunk("data: 1\n\n"));
      await (await client.head()).next();
      return { peers: [peer] };
    },
  },
  {
    what: "in the middle of a whole answer",
    async reach(wire, client) {
      const peer = await asked(wire, client, post("/", "hello"));
      await peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half"));
      await (await client.head()).next();
      return { peers: [peer] };
    },
  },
];

describe.each(["halfClose", "reset"] as const)("a client that leaves by %s", (leave) => {
  test.each(windows)("$what: its upstream is closed, and nothing stays under way", async (window) => {
    const seen = watchHooks();
    const record = recorder();
    const { plugins = [], ...options } = (await window.options?.(seen)) ?? {};
    const scripts = Array.from({ length: window.upstreams ?? 1 }, () => undefined);
    const wire = await openWire(scripts, { ...options, plugins: [seen.plugin, ...plugins, record.plugin] });
    const client = await wire.client();
    const { peers, after } = await window.reach(wire, client, seen);
    client[leave]();
    await within(record.ended(1), "the exchange ends");
    await within(Promise.all(peers.map((peer) => peer.ending)), "the upstream's connections close");
    expect(record.ends[0]?.kind).toBe("client-abort");
    await after?.();
    await eventually(() => expect(wire.proxy.status().active).toBe(0));
    const [pool] = wire.proxy.pools();
    expect(pool?.snapshot.all.map(({ live }) => live.inflight)).toEqual(pool?.snapshot.all.map(() => 0));
  });
});
