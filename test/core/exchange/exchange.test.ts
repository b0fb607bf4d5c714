import { definePlugin, type Exchange, type Plugin } from "plugboard";
import { describe, expect, test } from "vitest";
import { newId } from "../../../core/exchange/exchange.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks } from "../quick-plugin.ts";
import { answering } from "../../wire/evil-upstream.ts";
import { get, handshake, ok, post } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";
import { deferred, within } from "../../wire/waiting.ts";
import { rehearsed } from "./rehearsed.ts";

describe("an id", () => {
  test("is new each time", () => {
    const ids = Array.from({ length: 10_000 }, newId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("may stand in a header, a log line and a JSON text as it is", () => {
    expect(newId()).toMatch(/^[\w-]{8,40}$/);
  });

  test("is made when it is asked for, and stays", async () => {
    const x = await rehearsed();
    expect(x.id).toBe(x.id);
    expect((await rehearsed()).id).not.toBe(x.id);
  });
});

describe("json", () => {
  const needs = definePlugin({ name: "needs", setup: (proxy) => proxy.needs({ body: "json" }) });
  const body = '{"model":"m","n":[1,2]}';

  /** What a hook gets from `x.json()` for this body. */
  async function seenBy(plugin: (tell: (value: unknown) => void) => Plugin, text = body): Promise<unknown[]> {
    const seen: unknown[] = [];
    const proxy = await openProxy({ plugins: [memUpstream(), needs(), plugin((value) => void seen.push(value))] });
    const headers = { "content-type": "application/json" };
    await (await proxy.fetch(new Request("http://proxy/", { method: "POST", body: text, headers }))).text();
    return seen;
  }

  test("is the body parsed, the same object each time", async () => {
    const seen = await seenBy((tell) => hooks({ inspect: (x) => [x.json(), x.json()].forEach(tell) }));
    expect(seen).toEqual([JSON.parse(body), JSON.parse(body)]);
    expect(seen[0]).toBe(seen[1]);
  });

  test("is undefined for what is no JSON", async () => {
    expect(await seenBy((tell) => hooks({ inspect: (x) => tell(x.json()) }), "{nonsense")).toEqual([undefined]);
  });

  test("is undefined without a body", async () => {
    expect((await rehearsed()).json()).toBeUndefined();
  });

  test("that was asked for before the body came is there when it has come", async () => {
    const seen = await seenBy((tell) => hooks({ request: (x) => tell(x.json()), inspect: (x) => tell(x.json()) }));
    expect(seen).toEqual([undefined, JSON.parse(body)]);
  });
});

describe("the body", () => {
  test("is not there unless a plugin needs it", async () => {
    const seen: unknown[] = [];
    const wire = await openWire(answering(ok()), { plugins: [hooks({ inspect: (x) => void seen.push(x.body) })] });
    await wire.exchange(post("/", "hello"));
    expect(seen).toEqual([undefined]);
  });
});

describe("the signal", () => {
  /** An exchange whose plugin thinks until the test is over; resolves when it has begun to. */
  function thinking(ask: (x: Exchange) => void): { plugin: Plugin; begun: Promise<void> } {
    const begun = deferred();
    const plugin = hooks({
      admit(x) {
        ask(x);
        begun.resolve();
        return new Promise(() => {});
      },
    });
    return { plugin, begun: begun.promise };
  }

  test.each([
    ["a request", get("/")],
    ["a handshake", handshake],
  ])("aborts when the client of %s leaves", async (_what, bytes) => {
    const aborted = deferred();
    const { plugin, begun } = thinking((x) => x.signal.addEventListener("abort", aborted.resolve));
    const wire = await openWire(undefined, { plugins: [plugin] });
    const client = await wire.client();
    await client.send(bytes);
    await begun;
    client.destroy();
    await within(aborted.promise, "the signal aborts", 1_000);
  });

  test("that is asked for only when the client has left is aborted already", async () => {
    const exchanges: Exchange[] = [];
    const ended = deferred();
    const { plugin, begun } = thinking((x) => void exchanges.push(x));
    const observer = hooks({ end: () => ended.resolve() as undefined }, "observer");
    const wire = await openWire(undefined, { plugins: [plugin, observer] });
    const client = await wire.client();
    await client.send(get("/"));
    await begun;
    client.destroy();
    await within(ended.promise, "the exchange ends");
    expect(exchanges[0]?.signal.aborted).toBe(true);
  });

  test("does not abort when all went well", async () => {
    const signals: AbortSignal[] = [];
    const proxy = await openProxy({ plugins: [memUpstream(), hooks({ admit: (x) => void signals.push(x.signal) })] });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(signals[0]?.aborted).toBe(false);
  });

  test("is one per exchange, and is the same each time", async () => {
    const x = await rehearsed();
    expect(x.signal).toBe(x.signal);
    expect((await rehearsed()).signal).not.toBe(x.signal);
  });
});
