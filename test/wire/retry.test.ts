import { describe, expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { closedUrl } from "./closed-port.ts";
import { answering, type Script } from "./evil-upstream.ts";
import { failingOnce, requestCounts } from "./failing-once.ts";
import { get, message, ok, post, postHead } from "./messages.ts";
import { errorCode, openWire, type Wire, type WireOptions } from "./open-wire.ts";
import { recorder } from "./recorder.ts";

const needs = definePlugin({ name: "needs", setup: (proxy) => proxy.needs({ body: 1_000 }) });

/** Two targets; on the first one nothing listens. */
async function openHalfDead(options: WireOptions = {}): Promise<Wire> {
  return openWire(
    answering((request) => ok(`${request.method} ${request.text}`)),
    {
      ...options,
      targets: [{ url: await closedUrl() }],
    },
  );
}

describe("a connection that was refused", () => {
  test.each([
    ["GET", get("/"), "GET ", []],
    ["POST, its body unread", post("/", "hello"), "POST hello", []],
    ["POST, its body buffered", post("/", "hello"), "POST hello", [needs()]],
  ] as const)("is tried on another target: %s", async (_what, bytes, answer, plugins) => {
    const seen = recorder();
    const wire = await openHalfDead({ plugins: [seen.plugin, ...plugins] });
    for (let index = 0; index < 4; index++) {
      expect(await wire.exchange(bytes)).toMatchObject({ status: 200, text: answer });
    }
    await seen.ended(4);
    expect(seen.attempts.map((attempt) => attempt.outcome.kind)).toContain("connect");
    expect(seen.ends.map((end) => end.kind)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(seen.attempts.map(({ target }) => target.live.inflight)).toEqual(seen.attempts.map(() => 0));
  });

  test("so is one of a POST whose body is still coming", async () => {
    const wire = await openWire(undefined, {
      targets: [{ url: await closedUrl() }],
    });
    for (let index = 0; index < 2; index++) {
      const client = await wire.client();
      await client.send(`${postHead("/", 10)}hello`);
      const peer = await wire.upstream.accept();
      const request = await peer.head();
      expect((await request.next())?.data.toString()).toBe("hello");
      await client.send("world");
      expect((await request.whole()).text).toBe("world");
      await peer.write(ok("done", "Connection: close"));
      expect((await client.response()).text).toBe("done");
    }
  });

  test("is not tried when attempts is 1", async () => {
    const wire = await openHalfDead({ retry: { attempts: 1 } });
    const statuses = new Set([(await wire.exchange(get("/"))).status, (await wire.exchange(get("/"))).status]);
    expect(statuses).toEqual(new Set([200, 502]));
  });
});

const reset: Script = (peer) => peer.reset();
const resetAll: Script = async (peer) => {
  await peer.request();
  await peer.reset();
};

describe("a reset before the head", () => {
  test.each(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])("%s is tried once elsewhere", async (method) => {
    const wire = await failingOnce(3, reset);
    const response = await wire.exchange(message([`${method} / HTTP/1.1`, "Host: a"]), method);
    expect(response.status).toBe(200);
    expect(requestCounts(wire)).toEqual([0, 1, 1]);
  });

  test.each([
    ["POST", "unread", []],
    ["POST", "buffered", [needs()]],
    ["PATCH", "buffered", [needs()]],
  ] as const)("%s is not, its body %s", async (method, _what, plugins) => {
    const wire = await failingOnce(3, reset, { plugins });
    const response = await wire.exchange(post("/", "hello").replace("POST", method));
    expect(response.status).toBe(502);
    expect(errorCode(response)).toBe("upstream_reset");
    expect(requestCounts(wire)).toEqual([0, 0, 1]);
  });

  test("POST is when the config says that it may be repeated, and its body is kept", async () => {
    const wire = await failingOnce(2, reset, {
      plugins: [needs()],
      retry: { nonIdempotent: true },
    });
    expect(await wire.exchange(post("/", "hello"))).toMatchObject({
      status: 200,
      text: "POST hello",
    });
    expect(requestCounts(wire)).toEqual([1, 1]);
  });

  test("POST is not when a part of its body is gone already", async () => {
    const wire = await failingOnce(2, reset, { retry: { nonIdempotent: true } });
    const client = await wire.client();
    await client.send(`${postHead("/", 10)}hello`);
    await Promise.race(wire.upstreams.map((upstream) => upstream.accept()));
    await client.send("world");
    expect((await client.response()).status).toBe(502);
    expect(requestCounts(wire)).toEqual([0, 1]);
  });

  test("nothing is when the config says so", async () => {
    const wire = await failingOnce(2, reset, { retry: { on: ["connect"] } });
    expect((await wire.exchange(get("/"))).status).toBe(502);
    expect(requestCounts(wire)).toEqual([0, 1]);
  });

  test("on the only target is not tried there again", async () => {
    const wire = await failingOnce(1, reset);
    expect((await wire.exchange(get("/"))).status).toBe(502);
    expect(requestCounts(wire)).toEqual([1]);
  });

  test("everywhere ends with the last error, each target tried once", async () => {
    const wire = await openWire([resetAll, resetAll, resetAll]);
    const response = await wire.exchange(get("/"));
    expect(errorCode(response)).toBe("upstream_reset");
    expect(requestCounts(wire)).toEqual([1, 1, 1]);
  });

  test("no more targets are tried than attempts allow", async () => {
    const wire = await openWire([resetAll, resetAll, resetAll, resetAll, resetAll], {
      retry: { attempts: 2 },
    });
    expect((await wire.exchange(get("/"))).status).toBe(502);
    expect(requestCounts(wire)).toEqual([0, 0, 0, 1, 1]);
  });
});
