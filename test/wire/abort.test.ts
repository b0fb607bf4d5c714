import { describe, expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering, type Peer } from "./evil-upstream.ts";
import { chunk, get, handshake, message, ok, okEvents, post, postHead } from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";
import { recorder, type Recorder } from "./recorder.ts";
import { deferred, within } from "./waiting.ts";

interface Stage {
  readonly what: string;
  /** @default 1 */
  readonly exchanges?: number;
  /** Brings the exchange to where the client leaves; returns the upstream's side of it. */
  readonly reach: (wire: Wire, client: RawClient) => Promise<Peer>;
}

async function started(wire: Wire, client: RawClient, request: string): Promise<Peer> {
  await client.send(request);
  const peer = await wire.upstream.accept();
  await peer.head();
  return peer;
}

const stages: readonly Stage[] = [
  {
    what: "before the head of the response",
    reach: (wire, client) => started(wire, client, get("/")),
  },
  {
    what: "before the head of the response to a POST",
    reach: (wire, client) => started(wire, client, post("/", "hello")),
  },
  {
    what: "in the middle of a stream",
    async reach(wire, client) {
      const peer = await started(wire, client, get("/"));
      await peer.write(okEvents() + chunk("data: 1\n\n"));
      await (await client.head()).next();
      return peer;
    },
  },
  {
    what: "after the head of a stream, before any byte of it",
    async reach(wire, client) {
      const peer = await started(wire, client, get("/"));
      await peer.write(okEvents());
      await client.head();
      return peer;
    },
  },
  {
    what: "in the middle of a body with a length",
    async reach(wire, client) {
      const peer = await started(wire, client, post("/", "hello"));
      await peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half"));
      await (await client.head()).next();
      return peer;
    },
  },
  {
    what: "in the middle of its upload",
    async reach(wire, client) {
      await client.send(postHead("/", 100) + "half");
      const peer = await wire.upstream.accept();
      await (await peer.head()).next();
      return peer;
    },
  },
  {
    what: "in the middle of a handshake for an upgrade",
    reach: (wire, client) => started(wire, client, handshake),
  },
  {
    what: "with another request queued behind",
    exchanges: 2,
    async reach(wire, client) {
      const peer = await started(wire, client, get("/1") + get("/2"));
      await peer.write(okEvents() + chunk("data: 1\n\n"));
      await (await client.head()).next();
      return peer;
    },
  },
];

async function openRecorded(): Promise<{ wire: Wire; seen: Recorder }> {
  const seen = recorder();
  return { wire: await openWire(undefined, { plugins: [seen.plugin] }), seen };
}

describe.each(["halfClose", "reset"] as const)("a client that leaves by %s", (leave) => {
  test.each(stages)(
    "$what: the upstream's connection closes, everything is counted once",
    async ({ reach, exchanges = 1 }) => {
      const { wire, seen } = await openRecorded();
      const client = await wire.client();
      const peer = await reach(wire, client);
      client[leave]();
      await within(peer.ending, "the upstream's connection closes");
      await within(
        Promise.all(wire.upstream.peers.map((each) => each.ending)),
        "all of the upstream's connections close",
      );
      await within(seen.ended(exchanges), "the exchange ends");
      expect(seen.ends.map((end) => end.kind)).toEqual(Array(exchanges).fill("client-abort"));
      const kinds = new Set(seen.attempts.map((attempt) => attempt.outcome.kind));
      expect(kinds).toEqual(new Set(["client-abort"]));
      expect(seen.attempts[0]?.target.live).toMatchObject({
        inflight: 0,
        failures: 0,
        requests: seen.attempts.length,
      });
      expect(wire.proxy.status().active).toBe(0);
    },
  );
});

test("an exchange that was aborted leaves the next client alone", async () => {
  const { wire, seen } = await openRecorded();
  const first = await wire.client();
  const peer = await started(wire, first, get("/1"));
  first.reset();
  await within(peer.ending, "the upstream's connection closes");
  const second = await wire.client();
  const next = await started(wire, second, get("/2"));
  await next.write(ok("second"));
  expect((await second.response()).text).toBe("second");
  await seen.ended(2);
  expect(seen.ends.map((end) => end.kind)).toEqual(["client-abort", "ok"]);
});

test("a client that leaves after the last byte has aborted nothing", async () => {
  const { wire, seen } = await openRecorded();
  const client = await wire.client();
  const peer = await started(wire, client, get("/"));
  await peer.write(ok("done"));
  await client.response();
  client.reset();
  await seen.ended(1);
  expect(seen.ends.map((end) => end.kind)).toEqual(["ok"]);
  expect(seen.attempts[0]?.target.live.inflight).toBe(0);
});

test("200 clients that leave at once leave nothing behind", async () => {
  const { wire, seen } = await openRecorded();
  const clients = await Promise.all(Array.from({ length: 200 }, () => wire.client()));
  const peers = await Promise.all(clients.map((client) => started(wire, client, get("/"))));
  for (const client of clients) client.reset();
  await within(Promise.all(peers.map((peer) => peer.ending)), "all of the upstream's connections close");
  await within(seen.ended(200), "all exchanges end");
  expect(seen.attempts[0]?.target.live).toMatchObject({ inflight: 0, requests: 200 });
  expect(wire.proxy.status().active).toBe(0);
});

test("a client that leaves while a plugin still thinks: the plugin is told, the upstream never hears of it", async () => {
  const seen = recorder();
  const thinking = deferred();
  const slow = definePlugin({
    name: "slow",
    setup: () => ({
      request(x) {
        if (x.path === "/") return undefined;
        thinking.resolve();
        return new Promise((resolve) => x.signal.addEventListener("abort", () => resolve()));
      },
    }),
  });
  const wire = await openWire(answering(ok()), { plugins: [slow(), seen.plugin] });
  const client = await wire.client();
  await client.send(get("/slow"));
  await thinking.promise;
  client.reset();
  await within(seen.ended(1), "the exchange ends");
  expect(seen.ends.map((end) => end.kind)).toEqual(["client-abort"]);
  expect(seen.attempts).toEqual([]);
  await wire.exchange(get("/"));
  expect(wire.upstream.requests.map((request) => request.path)).toEqual(["/"]);
});

test("an idle client that half-closes is let go", async () => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(get("/"));
  await client.response();
  client.halfClose();
  expect(await within(client.ending, "the connection closes")).toBe("fin");
});
