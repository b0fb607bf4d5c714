import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { entryOf, openRegistry, openRouter, openService } from "./infinilm-stage.ts";

// What InfiniLM's router did wrong with requests under way; examples/infinilm names these tests.

describe("a request that was sent", () => {
  test("is not sent again as a POST when there is no answer in time", async () => {
    const services = [await openService("one"), await openService("two")];
    for (const service of services) service.answer(() => {});
    const registry = await openRegistry(...services.map((service) => entryOf(service)));
    const router = await openRouter({ registryUrl: registry.url, proxyTimeout: 100 });
    const response = await router.ask();
    expect(response.status).toBe(504);
    expect(await response.json()).toEqual({ error: "The upstream did not answer in time." });
    expect(services.flatMap(({ asked }) => asked)).toEqual(["POST /v1/chat/completions"]);
  });

  test("is not sent again as a POST when the connection breaks, but as a GET", async () => {
    const services = [await openService("one"), await openService("two")];
    services[0]?.answer((req) => req.socket.destroy());
    const registry = await openRegistry(...services.map((service) => entryOf(service)));
    const router = await openRouter({ registryUrl: registry.url });
    const statuses = [(await router.ask()).status, (await router.ask()).status];
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 502]);
    for (let i = 0; i < 4; i++) expect((await fetch(`${router.url}/v1/other`)).status).toBe(200);
  });

  test("goes to another service when it could not be sent at all", async () => {
    const [dead, alive] = [await openService("dead"), await openService("alive")];
    const registry = await openRegistry(entryOf(dead), entryOf(alive));
    const router = await openRouter({ registryUrl: registry.url, healthInterval: 3_600_000 });
    dead.close();
    for (let i = 0; i < 6; i++) expect(await router.by()).toBe("alive");
  });

  test("keeps the status that the service answers with, and its health", async () => {
    const service = await openService("one");
    service.answer((_req, res) => res.writeHead(429, { "x-mine": "1" }).end('{"busy":true}'));
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url });
    const response = await router.ask();
    expect(response.status).toBe(429);
    expect(await response.json()).toEqual({ busy: true });
    expect(router.changes).toEqual([]);
  });
});

describe("a stream", () => {
  test("may last longer than the timeout while it is not silent so long", async () => {
    const service = await openService("one");
    let left = 9;
    service.answer((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      const timer = setInterval(() => {
        res.write(`data: ${left}\n\n`);
        if (--left > 0) return;
        clearInterval(timer);
        res.end("data: [DONE]\n\n");
      }, 150);
    });
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url, proxyTimeout: 1_000 });
    const text = await (await router.ask({ stream: true })).text();
    expect(text.match(/data: \d/g)).toHaveLength(9);
    expect(text).toMatch(/\[DONE\]\n\n$/);
  });

  test("that falls silent is told as broken and cut", async () => {
    const service = await openService("one");
    service.answer((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write("data: 1\n\n");
    });
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url, proxyTimeout: 100 });
    const response = await router.ask({ stream: true });
    let text = "";
    const read = async (): Promise<void> => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
    };
    await expect(read()).rejects.toThrow();
    expect(text).toContain("stream_idle");
  });

  test("that its client leaves ends at the service", async () => {
    const service = await openService("one");
    let left: Promise<unknown> | undefined;
    service.answer((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write("data: 1\n\n");
      left = once(res, "close");
    });
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url });
    const response = await router.ask({ stream: true });
    await response.body?.cancel();
    expect(left).toBeDefined();
    await left;
  });
});
