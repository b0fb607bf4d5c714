import type { Plugin } from "plugboard";
import { describe, expect, test } from "vitest";
import { outcomeLog } from "./exchange/outcome-log.ts";
import { type MemCall, memUpstream, sayOk } from "./mem-upstream.ts";
import { openProxy } from "./open-proxy.ts";
import { hooks, quickPlugin } from "./quick-plugin.ts";
import { eventually } from "../e2e/eventually.ts";
import { get, postHead } from "../wire/messages.ts";
import { answering } from "../wire/evil-upstream.ts";
import { ok } from "../wire/messages.ts";
import { openWire } from "../wire/open-wire.ts";
import { within } from "../wire/waiting.ts";

const request = new Request("http://proxy/path?query", { method: "POST", body: "hello", headers: { "X-A": "1" } });

describe("a transport of a plugin's", () => {
  test("serves the targets of its scheme", async () => {
    const calls: MemCall[] = [];
    const mem = memUpstream(
      (call) => {
        calls.push(call);
        sayOk(call);
      },
      [{ id: "x", url: "mem://x/base" }],
    );
    const proxy = await openProxy({ plugins: [mem] });
    const response = await proxy.fetch(request.clone());
    expect([response.status, await response.text(), response.headers.get("via")]).toEqual([200, "x", "1.1 plugboard"]);
    const { upstream } = calls[0]?.x ?? {};
    expect(upstream).toMatchObject({ method: "POST", path: "/base/path?query", headers: { "x-a": "1" } });
    expect(upstream?.body).toBe("stream");
  });

  test("lives beside the one for http", async () => {
    const wire = await openWire(answering(ok("http")), { plugins: [memUpstream(sayOk, [{ url: "mem://a" }])] });
    const texts = [await wire.exchange(get("/")), await wire.exchange(get("/"))].map(({ text }) => text);
    expect(texts.toSorted()).toEqual(["http", "mem://a"]);
  });

  test("may take http's place", async () => {
    const own = quickPlugin("own", (proxy) =>
      proxy.provide("transport", "own", {
        schemes: ["http"],
        send(target, x, sink) {
          sayOk({ target, x, sink, aborted: undefined });
          return { abort: () => {}, resume: () => {} };
        },
      }),
    );
    const proxy = await openProxy({ plugins: [own, memUpstream(sayOk, [{ id: "t", url: "http://nowhere.test" }])] });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("t");
  });

  test("is closed with its generation", async () => {
    const closed: string[] = [];
    const closing = (name: string): Plugin =>
      quickPlugin("closing", (proxy) =>
        proxy.provide("transport", "closing", {
          schemes: ["x"],
          send: () => ({ abort: () => {}, resume: () => {} }),
          close: () => void closed.push(name),
        }),
      );
    const proxy = await openProxy({ plugins: [closing("one")] });
    await proxy.reload({ plugins: [closing("two")] });
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toEqual(["one"]);
    await proxy.close();
    expect(closed).toEqual(["one", "two"]);
  });

  test("is told when the client does not keep up, and when it does again", async () => {
    const told: string[] = [];
    const pausing = quickPlugin("pausing", (proxy) => {
      proxy.provide("transport", "pausing", {
        schemes: ["mem"],
        send(_target, _x, given) {
          given.connected();
          given.head(200, {});
          while (given.data(Buffer.alloc(64_000, "x")));
          told.push("pause");
          return {
            abort: () => {},
            resume() {
              told.push("resume");
              given.end();
            },
          };
        },
      });
      proxy.provide("discovery", "pausing", { start: (targets) => targets.replace([{ url: "mem://a" }]) });
    });
    const wire = await openWire([], { plugins: [pausing] });
    const client = await wire.client();
    client.pause();
    await client.send(get("/"));
    await eventually(() => expect(told[0]).toBe("pause"));
    client.resume();
    const response = await client.response();
    expect(response.ending).toBe("complete");
    expect(told).toEqual(["pause", "resume"]);
  });

  test("has its failures retried, counted and told like any other", async () => {
    const log = outcomeLog();
    const mem = memUpstream(
      (call) => (call.target.id === "a" ? call.sink.error(new Error("no")) : sayOk(call)),
      [
        { id: "a", url: "mem://a" },
        { id: "b", url: "mem://b" },
      ],
    );
    const proxy = await openProxy({ plugins: [mem, log.plugin] });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("b");
    expect(log.attempts.map(({ kind }) => kind)).toEqual(["connect", "ok"]);
  });

  test("is asked to stop when the client leaves", async () => {
    const calls: MemCall[] = [];
    const log = outcomeLog();
    const mem = memUpstream((call) => void calls.push(call));
    const wire = await openWire([], { plugins: [mem, log.plugin] });
    const client = await wire.client();
    await client.send(get("/"));
    await eventually(() => expect(calls).toHaveLength(1));
    client.destroy();
    await within(log.ended(1), "the exchange ends", 1_000);
    expect(calls[0]?.aborted).toBeInstanceOf(Error);
  });
});

test("a target of a scheme that nobody speaks is an error of ours, told in words in the log", async () => {
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, [{ url: "gopher://a" }])] });
  const response = await proxy.fetch(new Request("http://proxy/"));
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("gopher");
  expect(proxy.lines.join("\n")).toContain("no transport for gopher: of target gopher://a");
});

test("a body that is streamed is there for a transport to read", async () => {
  const bodies: unknown[] = [];
  const mem = memUpstream((call) => {
    bodies.push(call.x.upstream.body);
    sayOk(call);
  });
  const wire = await openWire([], { plugins: [mem, hooks({})] });
  const client = await wire.client();
  await client.send(postHead("/", 100) + "half");
  await client.head();
  expect(bodies).toEqual(["stream"]);
});
