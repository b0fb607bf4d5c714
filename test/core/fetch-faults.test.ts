import type { Plugin } from "plugboard";
import { describe, expect, test } from "vitest";
import { answering, evilUpstream, type Script } from "../wire/evil-upstream.ts";
import { chunk, message, ok, okEvents } from "../wire/messages.ts";
import { within } from "../wire/waiting.ts";
import { outcomeLog } from "./exchange/outcome-log.ts";
import { type MemCall, memUpstream } from "./mem-upstream.ts";
import { openProxy, type OpenProxy } from "./open-proxy.ts";
import { hooks, quickPlugin } from "./quick-plugin.ts";
import { onTestFinished } from "vitest";

/** A proxy in front of a scripted upstream, asked without a port. */
async function infront(script: Script, ...plugins: Plugin[]): Promise<OpenProxy> {
  const upstream = await evilUpstream(script);
  const source = quickPlugin("source", (proxy) =>
    proxy.provide("discovery", "source", { start: (sink) => sink.replace([{ url: upstream.url }]) }),
  );
  const proxy = await openProxy({ plugins: [source, ...plugins] });
  onTestFinished(() => upstream.close());
  return proxy;
}

const get = (proxy: OpenProxy, init?: RequestInit): Promise<Response> =>
  proxy.fetch(new Request("http://proxy/p?q", init));

describe("without a port", () => {
  test("an answer that breaks is no whole answer", async () => {
    const proxy = await infront(async (peer) => {
      await peer.request();
      await peer.write(okEvents() + chunk("data: 1\n\n"));
      await peer.reset();
    });
    const response = await get(proxy);
    expect(response.status).toBe(200);
    await expect(within(response.text(), "the body ends")).rejects.toThrow();
  });

  test("an answer with a length that breaks is no whole answer", async () => {
    const proxy = await infront(async (peer) => {
      await peer.request();
      await peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half"));
      await peer.close();
    });
    await expect(
      within(
        get(proxy).then((response) => response.text()),
        "the body ends",
      ),
    ).rejects.toThrow();
  });

  test("an error is told as ever", async () => {
    const proxy = await infront((peer) => peer.close());
    const response = await get(proxy, { method: "POST", body: "x" });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: "upstream_reset" } });
  });

  test("status, headers and lists of headers are the upstream's", async () => {
    const proxy = await infront(
      answering(message(["HTTP/1.1 418 Teapot", "X-A: 1", "Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Length: 0"])),
    );
    const response = await get(proxy);
    expect(response.status).toBe(418);
    expect(response.headers.get("x-a")).toBe("1");
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  });

  test.each([
    ["204", message(["HTTP/1.1 204 No Content"]), "GET", 204],
    ["304", message(["HTTP/1.1 304 Not Modified", "Content-Length: 5"]), "GET", 304],
    ["HEAD", message(["HTTP/1.1 200 OK", "Content-Length: 5"]), "HEAD", 200],
  ])("%s has no body", async (_what, reply, method, status) => {
    const proxy = await infront(answering(reply));
    const response = await within(get(proxy, { method }), "the response comes");
    expect([response.status, await response.text()]).toEqual([status, ""]);
  });

  test("what the upstream gets is what was asked: method, path, headers, body", async () => {
    const proxy = await infront(
      answering(({ method, path, text, get: header }) => ok([method, path, header("x-a"), text].join(" "))),
    );
    const response = await get(proxy, { method: "PUT", body: "hello", headers: { "X-A": "1" } });
    expect(await response.text()).toBe("PUT /p?q 1 hello");
  });

  test("a body may be a stream", async () => {
    const proxy = await infront(answering(({ text }) => ok(text)));
    const body = new ReadableStream({
      async start(controller) {
        for (const part of ["one ", "two ", "three"]) {
          controller.enqueue(new TextEncoder().encode(part));
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.close();
      },
    });
    const response = await get(proxy, { method: "POST", body, duplex: "half" });
    expect(await response.text()).toBe("one two three");
  });

  test("a large answer comes whole", async () => {
    const body = "0123456789abcdef".repeat(200_000);
    const proxy = await infront(answering(ok(body)));
    expect((await (await get(proxy)).text()).length).toBe(body.length);
  });
});

describe("a caller that gives up", () => {
  /** An upstream that has begun to answer. */
  function begun(): { plugin: Plugin; calls: MemCall[] } {
    const calls: MemCall[] = [];
    const plugin = memUpstream((call) => {
      calls.push(call);
      call.sink.connected();
      if (call.x.path === "/silent") return;
      call.sink.head(200, {});
      call.sink.data(Buffer.from("first"));
    });
    return { plugin, calls };
  }

  test("by its signal, in the middle of an answer, is gone for the upstream too", async () => {
    const { plugin, calls } = begun();
    const log = outcomeLog();
    const proxy = await openProxy({ plugins: [plugin, log.plugin] });
    const leaving = new AbortController();
    const response = await get(proxy, { signal: leaving.signal });
    leaving.abort();
    await within(log.ended(1), "the exchange ends", 1_000);
    expect(calls[0]?.aborted).toBeDefined();
    expect(log.ends).toMatchObject([{ kind: "client-abort" }]);
    await response.body?.cancel().catch(() => {});
  });

  test("by its signal, before an answer, is gone for the upstream too", async () => {
    const { plugin, calls } = begun();
    const log = outcomeLog();
    const proxy = await openProxy({ plugins: [plugin, log.plugin] });
    const leaving = new AbortController();
    const response = proxy
      .fetch(new Request("http://proxy/silent", { signal: leaving.signal }))
      .catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await within(log.ended(1), "the exchange ends", 1_000);
    expect(calls[0]?.aborted).toBeDefined();
    expect(await within(response, "the call is over", 1_000)).toMatchObject({ name: "AbortError" });
  });

  test("by cancelling the body is gone for the upstream too", async () => {
    const { plugin, calls } = begun();
    const log = outcomeLog();
    const proxy = await openProxy({ plugins: [plugin, log.plugin] });
    const response = await get(proxy);
    await response.body?.cancel();
    await within(log.ended(1), "the exchange ends", 1_000);
    expect(calls[0]?.aborted).toBeDefined();
    expect(proxy.status().active).toBe(0);
  });

  test("a plugin hears of it", async () => {
    const { plugin } = begun();
    const heard: boolean[] = [];
    const log = outcomeLog();
    const proxy = await openProxy({
      plugins: [
        plugin,
        hooks({ request: (x) => x.signal.addEventListener("abort", () => void heard.push(true)) }),
        log.plugin,
      ],
    });
    const response = await get(proxy);
    await response.body?.cancel();
    await within(log.ended(1), "the exchange ends", 1_000);
    expect(heard).toEqual([true]);
  });
});
