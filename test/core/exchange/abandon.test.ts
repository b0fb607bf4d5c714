import { type Exchange, type Plugin, ProxyError, type Relay, type Setup } from "plugboard";
import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import type { Peer } from "../../wire/evil-upstream.ts";
import { chunk, get, ok, okEvents, post, postHead } from "../../wire/messages.ts";
import { errorCode, openWire, type Wire, type WireOptions } from "../../wire/open-wire.ts";
import type { RawClient } from "../../wire/raw-client.ts";
import { at, deferred, within } from "../../wire/waiting.ts";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { type OutcomeLog, outcomeLog } from "./outcome-log.ts";

const failed = new ProxyError("prefill_failed", "The prompt could not be read.");

interface Abandoning {
  readonly plugin: Plugin;
  readonly proxy: Setup;
  /** The newest exchange. */
  readonly x: Exchange;
  abandon(error?: ProxyError): void;
}

/** What lets a test abandon from outside. */
function abandoning(): Abandoning {
  let proxy: Setup | undefined;
  let x: Exchange | undefined;
  return {
    get proxy() {
      return proxy as Setup;
    },
    get x() {
      return x as Exchange;
    },
    abandon: (error = failed) => proxy?.abandon(x as Exchange, error),
    plugin: quickPlugin("abandoning", (setup) => {
      proxy = setup;
      return { request: (now) => void (x = now) };
    }),
  };
}

interface Sent {
  readonly wire: Wire;
  readonly client: RawClient;
  readonly peer: Peer;
  readonly log: OutcomeLog;
  readonly hand: Abandoning;
}

/** A request that one upstream has got, and leaves unanswered; it answers those that follow. */
async function send(request = post("/", "hello"), options: WireOptions = {}): Promise<Sent> {
  const hand = abandoning();
  const log = outcomeLog();
  const arrived = deferred();
  let first: Peer | undefined;
  const script = async (peer: Peer): Promise<void> => {
    const { method, whole } = await peer.head();
    if (first !== undefined) return peer.write(ok(`again: ${method} ${(await whole()).text}`));
    first = peer;
    arrived.resolve();
  };
  const plugins = [...(options.plugins ?? []), hand.plugin, log.plugin];
  const wire = await openWire(script, { ...options, plugins });
  const client = await wire.client();
  await client.send(request);
  await within(arrived.promise, "the request arrives");
  return { wire, client, peer: first as unknown as Peer, log, hand };
}

const liveOf = ({ wire }: Sent): object => at(at(wire.proxy.pools()).snapshot.all).live;

describe("an attempt that is abandoned before its answer", () => {
  test("is ended at its upstream, and tried again with the same target, whatever the method", async () => {
    const sent = await send();
    sent.hand.abandon();
    await within(sent.peer.ending, "the upstream sees the end");
    expect(await sent.client.response()).toMatchObject({ status: 200, text: "again: POST hello" });
    expect([sent.hand.x.attempt, sent.hand.x.tried]).toEqual([2, []]);
    await sent.log.ended(1);
    expect(sent.log.told.map(({ hook, outcome: { kind, error } }) => [hook, kind, error?.code])).toEqual([
      ["attemptEnd", "local", "prefill_failed"],
      ["attemptEnd", "ok", undefined],
      ["end", "ok", undefined],
    ]);
    expect(liveOf(sent)).toMatchObject({ requests: 2, inflight: 0, failures: 0, lastFailure: 0 });
  });

  test("is no failure of its target, whatever the error says", async () => {
    const sent = await send(get("/"), { retry: { attempts: 1 } });
    sent.hand.abandon(new ProxyError("connect_failed", "Another one failed."));
    expect(errorCode(await sent.client.response())).toBe("connect_failed");
    expect(liveOf(sent)).toMatchObject({ requests: 1, inflight: 0, failures: 0, lastFailure: 0 });
  });

  test("is the last where the route allows no more: the client is told", async () => {
    const sent = await send(get("/"), { retry: { attempts: 1 } });
    sent.hand.abandon();
    const response = await sent.client.response();
    expect([response.status, errorCode(response)]).toEqual([502, "prefill_failed"]);
    await within(sent.peer.ending, "the upstream sees the end");
    await sent.log.ended(1);
    expect(sent.log.attempts).toMatchObject([{ kind: "local", status: 0 }]);
    expect(sent.log.ends).toMatchObject([{ kind: "local", status: 502, error: { code: "prefill_failed" } }]);
    expect(liveOf(sent)).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("is the last where part of a body that is not kept was sent", async () => {
    const sent = await send(postHead("/", 100) + "some");
    await eventually(() => expect(sent.peer.reader.received.toString()).toContain("some"));
    sent.hand.abandon();
    expect(errorCode(await sent.client.response())).toBe("prefill_failed");
    await within(sent.peer.ending, "the upstream sees the end");
    expect(liveOf(sent)).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("counts once if it is abandoned twice", async () => {
    const sent = await send(get("/"), { retry: { attempts: 2 } });
    sent.hand.abandon();
    sent.hand.abandon();
    expect((await sent.client.response()).text).toBe("again: GET ");
    expect(liveOf(sent)).toMatchObject({ requests: 2, inflight: 0 });
  });

  test("is not tried again when the client left meanwhile", async () => {
    const sent = await send();
    sent.hand.abandon();
    sent.hand.x.node.req.socket.destroy(); // Its close is told before any timer fires.
    await within(sent.log.ended(1), "the exchange ends");
    expect(sent.log.ends).toMatchObject([{ kind: "client-abort" }]);
    sent.hand.abandon();
    expect(liveOf(sent)).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });
});

describe("an attempt that is abandoned within its answer", () => {
  const framing = quickPlugin("framing", (proxy) =>
    proxy.provide("relay", "framing", {
      match: () => true,
      create: (): Relay => ({ data: (piece) => piece, broken: ({ code }) => Buffer.from(`broken: ${code}`) }),
    }),
  );

  test("is cut with a last frame, as a broken stream", async () => {
    const sent = await send(get("/"), { plugins: [framing] });
    await sent.peer.write(okEvents() + chunk("one"));
    const response = await sent.client.head();
    await response.next();
    sent.hand.abandon();
    const { ending, text } = await response.whole();
    expect(text).toContain("broken: prefill_failed");
    expect(ending).not.toBe("complete");
    await within(sent.peer.ending, "the upstream sees the end");
    await sent.log.ended(1);
    expect(sent.log.attempts).toMatchObject([{ kind: "local", status: 200, error: { code: "prefill_failed" } }]);
    expect(sent.log.ends).toMatchObject([{ kind: "stream-error", status: 200, error: { code: "prefill_failed" } }]);
    expect(liveOf(sent)).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("is left alone when all of it is there", async () => {
    const sent = await send(get("/"));
    await sent.peer.write(ok("whole"));
    expect((await sent.client.response()).text).toBe("whole");
    sent.hand.abandon();
    await sent.log.ended(1);
    expect(sent.log.ends).toMatchObject([{ kind: "ok", error: undefined }]);
  });
});

describe("without an attempt under way", () => {
  test("the exchange fails if there was none yet", async () => {
    const failing = quickPlugin("failing", (proxy) => ({ admit: (x) => proxy.abandon(x, failed) }));
    const sent: string[] = [];
    const log = outcomeLog();
    const proxy = await openProxy({
      plugins: [memUpstream((call) => void sent.push(call.target.id)), failing, log.plugin],
    });
    const response = await proxy.fetch(new Request("http://proxy/"));
    expect([response.status, response.headers.get("x-proxy-error"), sent]).toEqual([502, "prefill_failed", []]);
    expect(log.attempts).toEqual([]);
  });

  test("one that is being prepared is not sent, and the next is", async () => {
    const prepared = deferred();
    const calls: MemCall[] = [];
    const preparing = quickPlugin("preparing", (proxy) => ({
      upstreamRequest(x) {
        if (x.attempt === 1) proxy.abandon(x, failed);
        return prepared.promise;
      },
    }));
    const upstream = memUpstream((call) => {
      calls.push(call);
      sayOk(call);
    });
    const proxy = await openProxy({ plugins: [upstream, preparing] });
    const answer = proxy.fetch(new Request("http://proxy/"));
    prepared.resolve();
    expect(await (await answer).text()).toBe("mem://a");
    expect(calls.map(({ x }) => x.attempt)).toEqual([2]);
    expect(at(at(proxy.pools()).snapshot.all).live).toMatchObject({ requests: 1, inflight: 0 });
  });

  test("nothing happens while the next one is on its way already", async () => {
    const failing = quickPlugin("failing", (proxy) => ({
      attemptEnd(x, _target, { kind }) {
        if (kind === "connect") queueMicrotask(() => proxy.abandon(x, failed));
        return undefined;
      },
    }));
    const upstream = memUpstream(
      (call) => {
        if (call.x.attempt > 1) return sayOk(call);
        call.sink.error(Object.assign(new Error("no"), { code: "ECONNREFUSED" }));
      },
      ["a", "b"].map((id) => ({ id, url: `mem://${id}` })),
    );
    const proxy = await openProxy({ plugins: [upstream, failing] });
    expect((await proxy.fetch(new Request("http://proxy/"))).status).toBe(200);
  });

  test("nothing happens to a request that is only explained", async () => {
    const failing = quickPlugin("failing", (proxy) => ({ admit: (x) => proxy.abandon(x, failed) }));
    const proxy = await openProxy({ plugins: [memUpstream(), failing] });
    expect(await proxy.explain()).toMatchObject({ attempts: ["mem://a"], reply: undefined });
  });
});

test("a plugin pairs each attempt with an extra one, and abandons it when that fails", async () => {
  const pairs: string[] = [];
  const pairing = quickPlugin("pairing", (proxy) => ({
    candidates: (_x, targets) => targets.filter(({ id }) => id !== "side"),
    upstreamRequest(x) {
      const side = proxy.pool().snapshot.all.find(({ id }) => id === "side");
      if (side === undefined || x.target === side) return;
      const { attempt } = x;
      pairs.push(`attempt ${attempt}`);
      proxy.attempt(x, side, { limit: 0 }).answer.catch(() => proxy.abandon(x, failed));
    },
  }));
  let refused = 0;
  const upstream = memUpstream(
    (call) => {
      if (call.target.id === "side" && refused++ === 0) call.sink.error(new Error("no"));
      else if (call.target.id === "side" || call.x.attempt > 1) sayOk(call);
      else call.sink.connected(); // Waits for its other half, for ever.
    },
    ["main", "side"].map((id) => ({ id, url: `mem://${id}` })),
  );
  const log = outcomeLog();
  const proxy = await openProxy({ plugins: [upstream, pairing, log.plugin] });
  expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("main");
  expect(pairs).toEqual(["attempt 1", "attempt 2"]);
  const live = at(proxy.pools()).snapshot.all.map(({ id, live: { requests, inflight, failures } }) => [
    id,
    requests,
    inflight,
    failures,
  ]);
  expect(live).toEqual([
    ["main", 2, 0, 0],
    ["side", 2, 0, 1],
  ]);
});
