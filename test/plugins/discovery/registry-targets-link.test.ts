import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { createClock, startRig } from "./registry-rig.ts";
import { entry, stubRegistry } from "./stub-registry.ts";

const [a, b] = [entry("a"), entry("b")];

function sync(epoch: string, version: number, ...services: readonly unknown[]): string {
  return `event: sync\nid: ${epoch}-${version}\ndata: ${JSON.stringify({ epoch, version, services })}\n\n`;
}

describe("a poll", () => {
  test("costs a 304 while nothing changes", async () => {
    const registry = await stubRegistry([a, b]);
    const { ids, pool } = await startRig({ url: registry.url, watch: false });
    const { version } = pool().snapshot;
    await eventually(() => expect(registry.unchanged).toBeGreaterThan(3));
    expect(registry.asked.length - registry.unchanged).toBe(1);
    expect(pool().snapshot.version).toBe(version);
    registry.begin([b]);
    registry.begin([a, b, entry("c")]);
    await eventually(() => expect(ids()).toEqual(["a", "b", "c"]));
  });

  test("asks for all services, for those that are ill have to be known as well", async () => {
    const registry = await stubRegistry([a]);
    await startRig({ url: `${registry.url}/` });
    expect(registry.asked[0]).toBe("/services");
  });

  test.each([
    ["a page", "<html>", "it sent something that is not JSON"],
    ["another document", '{"data":[]}', "its answer has no list of services"],
    ["a list that is too long", JSON.stringify({ services: [], more: "x".repeat(2_000) }), "more than 1000 bytes"],
  ])("that answers with %s changes nothing, and is told without a word of it", async (_, body, why) => {
    const registry = await stubRegistry([entry("a", { metadata: { type: "openai-api" } })]);
    const { ids, proxy } = await startRig({ url: registry.url, watch: false, maxBytes: 1_000 });
    registry.instead = (_request, response) => void response.end(body);
    await eventually(() => expect(proxy.status().stale[0]?.error).toContain(why));
    expect(proxy.status().stale[0]?.error).not.toContain("html");
    expect(ids()).toEqual(["a"]);
    registry.instead = undefined;
    await eventually(() => expect(proxy.status().stale).toEqual([]));
  });

  test("that is redirected goes nowhere", async () => {
    const registry = await stubRegistry([a]);
    const other = await stubRegistry([b]);
    registry.instead = (_request, response) =>
      void response.writeHead(302, { location: `${other.url}/services` }).end();
    const { proxy } = await startRig({ url: registry.url, watch: false });
    expect(proxy.status().stale[0]?.error).toContain("status 302");
    expect(other.asked).toEqual([]);
  });

  test("that never ends is given up", async () => {
    const registry = await stubRegistry([a]);
    registry.instead = (_request, response) => void response.writeHead(200).write('{"services":[');
    const { proxy } = await startRig({ url: registry.url, watch: false, timeout: 50 });
    expect(proxy.status().stale[0]?.error).toContain("no answer within 50 ms");
  });
});

describe("a registry that knows no streams", () => {
  test("is polled, and not asked for one again", async () => {
    const registry = await stubRegistry([a], { epoch: null });
    const { ids, proxy, log } = await startRig({ url: registry.url });
    await eventually(() => expect(registry.asked.length).toBeGreaterThan(5));
    expect(registry.asked.filter((path) => path.includes("watch"))).toHaveLength(1);
    registry.begin([a, b]);
    await eventually(() => expect(ids()).toEqual(["a", "b"]));
    expect(proxy.status().stale).toEqual([]);
    expect(log.filter((line) => line.startsWith("warn"))).toEqual([]);
  });

  test("is watched once it is one that does", async () => {
    const registry = await stubRegistry([a], { epoch: null });
    await startRig({ url: registry.url });
    await eventually(() => expect(registry.asked.length).toBeGreaterThan(5));
    registry.begin([a], "e1");
    await eventually(() => expect(registry.watchers).toBe(1));
  });

  test("is polled when it refuses them, which is told once", async () => {
    const registry = await stubRegistry([a]);
    registry.instead = (request, response) => {
      const watches = request.url?.includes("watch") === true;
      response.writeHead(watches ? 503 : 200).end(JSON.stringify({ services: [a, b] }));
    };
    const { ids, log, proxy } = await startRig({ url: registry.url });
    expect(ids()).toEqual(["a", "b"]);
    await eventually(() => expect(log.filter((line) => line.includes("cannot be watched"))).toHaveLength(1));
    expect(log.join("\n")).toContain("status 503");
    expect(proxy.status().stale).toEqual([]);
  });
});

describe("a stream", () => {
  test("that is whole again is not compared when nothing changed", async () => {
    const registry = await stubRegistry([a, b]);
    const { pool } = await startRig({ url: registry.url });
    await eventually(() => expect(registry.watchers).toBe(1));
    const { version } = pool().snapshot;
    const before = registry.unchanged;
    registry.hangUp();
    await eventually(() => expect(registry.requests.filter(({ url }) => url?.includes("watch"))).toHaveLength(2));
    expect(registry.unchanged).toBeGreaterThan(before);
    expect(pool().snapshot.version).toBe(version);
  });

  test("stops the polls for as long as it lasts", async () => {
    const registry = await stubRegistry([a, b]);
    const clock = createClock();
    const { ids } = await startRig({ url: registry.url, now: clock.now, grace: 40_000 });
    await eventually(() => expect(registry.watchers).toBe(1));
    const before = registry.asked.length;
    registry.put(entry("a", { metadata: {} }), entry("c"));
    await eventually(() => expect(ids()).toEqual(["a", "b", "c"]));
    clock.pass(40_000);
    // It looked what is due, and found that a service has to go.
    await eventually(() => expect(ids()).toEqual(["b", "c"]));
    registry.remove("b");
    await eventually(() => expect(ids()).toEqual(["c"]));
    expect(registry.asked.length).toBe(before);
  });

  test("that is silent for 45 seconds is broken off, and made anew", async () => {
    const registry = await stubRegistry([a]);
    const clock = createClock();
    const { proxy } = await startRig({ url: registry.url, now: clock.now });
    await eventually(() => expect(registry.watchers).toBe(1));
    clock.pass(45_001);
    await eventually(() => expect(registry.requests.filter(({ url }) => url?.includes("watch"))).toHaveLength(2));
    await eventually(() => expect(registry.watchers).toBe(1));
    expect(proxy.status().stale).toEqual([]);
  });

  test("that says nothing leaves it to the polls", async () => {
    const registry = await stubRegistry([a]);
    registry.instead = (request, response) => {
      const head = { "content-type": "text/event-stream" };
      if (request.url?.includes("watch") === true) response.writeHead(200, head).flushHeaders();
      else response.end(JSON.stringify({ services: [a, ...(registry.asked.length > 4 ? [b] : [])] }));
    };
    const { ids } = await startRig({ url: registry.url });
    await eventually(() => expect(ids()).toEqual(["a", "b"]));
  });

  test.each([
    ["is no JSON", "event: upsert\ndata: {\n\n"],
    ["removes nobody", "event: remove\ndata: {}\n\n"],
    ["lists nothing", "event: sync\ndata: null\n\n"],
    ["is too long", `data: ${"x".repeat(10_000)}`],
  ])("with an event that %s is made anew", async (_, bytes) => {
    const registry = await stubRegistry([a]);
    const { ids } = await startRig({ url: registry.url, maxBytes: 5_000 });
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.send(bytes);
    await eventually(() => expect(registry.requests.filter(({ url }) => url?.includes("watch"))).toHaveLength(2));
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.put(b);
    await eventually(() => expect(ids()).toEqual(["a", "b"]));
  });

  test("may have events that nobody knows, and ones without an id", async () => {
    const registry = await stubRegistry([a]);
    const { ids } = await startRig({ url: registry.url });
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.send("event: news\ndata: x\n\nretry: 5\n\n");
    registry.send(`event: upsert\ndata: ${JSON.stringify(b)}\n\n`);
    await eventually(() => expect(ids()).toEqual(["a", "b"]));
    expect(registry.requests.filter(({ url }) => url?.includes("watch"))).toHaveLength(1);
  });

  test("may list all services anew", async () => {
    const registry = await stubRegistry([a]);
    const clock = createClock();
    const { ids } = await startRig({ url: registry.url, now: clock.now, grace: 0 });
    await eventually(() => expect(registry.watchers).toBe(1));
    registry.send(sync("e1", 7, b));
    await eventually(() => expect(ids()).toEqual(["b"]));
  });

  test("that is cut at any byte tells the same", async () => {
    const registry = await stubRegistry([a]);
    const { ids } = await startRig({ url: registry.url });
    await eventually(() => expect(registry.watchers).toBe(1));
    const event = `event: upsert\r\nid: e1-2\r\ndata: ${JSON.stringify(entry("b", { hostname: "Büro-😀" }))}\r\n\r\n`;
    for (const byte of Buffer.from(event)) {
      registry.send(Uint8Array.of(byte));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    await eventually(() => expect(ids()).toEqual(["a", "b"]));
  });
});
