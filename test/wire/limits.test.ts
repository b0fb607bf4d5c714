import { describe, expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { eventually } from "../e2e/eventually.ts";
import { answering } from "./evil-upstream.ts";
import { chunk, get, lastChunk, message, ok, post, postChunked, postHead } from "./messages.ts";
import { errorCode, expectUntouched, openWire, type Wire } from "./open-wire.ts";
import { within } from "./waiting.ts";

const inspecting = definePlugin({
  name: "inspecting",
  setup: (proxy) => proxy.needs({ body: "json" }),
});
const chunkedHead = message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]);
const json = "Content-Type: application/json";

describe("limits.body", () => {
  test("a body of that length goes through", async () => {
    const wire = await openWire(
      answering((request) => ok(request.text)),
      { limits: { body: 5 } },
    );
    expect(await wire.exchange(post("/", "hello"))).toMatchObject({ status: 200, text: "hello" });
    expect(await wire.exchange(postChunked("/", ["hel", "lo"]))).toMatchObject({
      status: 200,
      text: "hello",
    });
  });

  test("a longer one is refused before the upstream is contacted", async () => {
    const wire = await openWire(answering(ok()), { limits: { body: 4 } });
    const response = await wire.exchange(post("/", "hello"));
    expect(response).toMatchObject({ status: 413, ending: "complete" });
    expect(errorCode(response)).toBe("body_too_large");
    await expectUntouched(wire);
  });

  test("the refusal arrives although the client goes on sending", async () => {
    const wire = await openWire(answering(ok()), { limits: { body: 4 } });
    const client = await wire.client();
    const piece = Buffer.alloc(100_000);
    void client.send(postHead("/", 10 * piece.length));
    for (let sent = 0; sent < 10; sent++) void client.send(piece);
    expect(await client.response()).toMatchObject({ status: 413, ending: "complete" });
  });

  test.each([
    ["limits.body", 413, postHead("/", 1_000_000)],
    ["limits.url", 414, postHead(`/${"a".repeat(20_000)}`, 1_000_000)],
    ["limits.headers", 431, get("/", `X-A: ${"a".repeat(40_000)}`)],
    ["the parser", 400, "GARBAGE\r\n\r\n"],
    ["a gate", 401, postHead("/gate", 1_000_000)],
  ])("what %s refuses (%i) is told to a client that sends everything before it reads", async (_what, status, head) => {
    const guard = definePlugin({
      name: "guard",
      setup: () => ({ request: (x) => (x.path === "/gate" ? { status: 401 } : undefined) }),
    });
    const wire = await openWire(answering(ok()), { limits: { body: 4 }, plugins: [guard()] });
    const client = await wire.client();
    client.pause();
    await client.send(head);
    for (let sent = 0; sent < 10; sent++) {
      await client.send(Buffer.alloc(100_000));
      // Time for a reset to arrive, if one was sent: it would take the unread answer along.
      expect((await wire.exchange(get("/tick"))).status).toBe(200);
    }
    client.resume();
    expect((await client.response()).status).toBe(status);
  });

  test("a client that never stops sending is cut off all the same", async () => {
    const wire = await openWire(answering(ok()), { limits: { body: 4 } });
    const client = await wire.client();
    void client.send(postHead("/", 100_000_000));
    expect((await client.response()).status).toBe(413);
    await within(client.ending, "the connection closes");
  });

  test("chunks that grow over it: 413, and the upstream sees an aborted request", async () => {
    const wire = await openWire(undefined, { limits: { body: 4 } });
    const client = await wire.client();
    await client.send(chunkedHead + chunk("hel"));
    const peer = await wire.upstream.accept();
    const request = await peer.head();
    expect((await request.next())?.data.toString()).toBe("hel");
    await client.send(chunk("lo") + lastChunk);
    const response = await client.response();
    expect(response.status).toBe(413);
    expect(errorCode(response)).toBe("body_too_large");
    expect((await within(request.whole(), "the upload ends")).ending).not.toBe("complete");
  });
});

describe("limits.inspect", () => {
  const options = { plugins: [inspecting()], limits: { inspect: 4 } };

  test.each([
    ["a length", post("/", '"abc"', json)],
    ["chunks", postChunked("/", ['"ab', 'c"'], json)],
  ])("a JSON body that is longer, by %s: 413, nothing reaches the upstream", async (_what, bytes) => {
    const wire = await openWire(answering(ok()), options);
    const response = await wire.exchange(bytes);
    expect(response.status).toBe(413);
    expect(errorCode(response)).toBe("body_too_large");
    await expectUntouched(wire);
  });

  test("a body that no plugin looks into has no such limit", async () => {
    const wire = await openWire(
      answering((request) => ok(request.text)),
      options,
    );
    expect(await wire.exchange(post("/", "hello", "Content-Type: text/plain"))).toMatchObject({
      status: 200,
      text: "hello",
    });
  });
});

describe("limits.headers, headerCount and url", () => {
  test.each([
    ["headers", { headers: 1_024 }, get("/", `X-A: ${"a".repeat(1_024)}`), 431, "headers_too_large"],
    [
      "headerCount",
      { headerCount: 5 },
      get("/", ...Array.from({ length: 5 }, (_, index) => `X-${index}: a`)),
      431,
      "headers_too_large",
    ],
    ["url", { url: 10 }, get("/1234567890"), 414, "url_too_long"],
  ] as const)("%s is a limit", async (_what, limits, bytes, status, code) => {
    const wire = await openWire(answering(ok()), { limits });
    const response = await wire.exchange(bytes);
    expect(response).toMatchObject({ status, ending: "complete" });
    expect(errorCode(response)).toBe(code);
    await expectUntouched(wire);
  });

  test.each([
    ["headerCount", { headerCount: 5 }, get("/", ...Array.from({ length: 4 }, (_, index) => `X-${index}: a`))],
    ["url", { url: 10 }, get("/123456789")],
  ] as const)("%s is a limit that may be reached", async (_what, limits, bytes) => {
    const wire = await openWire(answering(ok()), { limits });
    expect((await wire.exchange(bytes)).status).toBe(200);
  });

  test("trailers of a request do not count as headers that were forgotten", async () => {
    const wire = await openWire(
      answering((request) => ok(request.text)),
      { limits: { headerCount: 5 } },
    );
    const body = `${chunk("hello")}0\r\nX-1: a\r\nX-2: a\r\nX-3: a\r\n\r\n`;
    expect(await wire.exchange(chunkedHead + body)).toMatchObject({ status: 200, text: "hello" });
  });
});

test("offers of an upgrade, which are left out, do not make room for more header lines than the limit", async () => {
  const wire = await openWire(answering(ok()));
  const offers = Array.from({ length: 60 }, () => "Upgrade: h2c");
  const lines = Array.from({ length: 250 }, (_, index) => `X-${index}: a`);
  const response = await wire.exchange(get("/", "Connection: Upgrade", ...offers, ...lines));
  expect(response.status).toBe(431);
  await expectUntouched(wire);
});

describe("limits.inspectTotal", () => {
  const limits = { inspect: 8, inspectTotal: 10 };
  const body = (length: number): string => `[${"1".repeat(length - 2)}]`;

  /** A request of 6 bytes that an upstream has, and answers when it is told to. */
  async function holding(): Promise<{ wire: Wire; finish: () => Promise<void> }> {
    const wire = await openWire(undefined, { plugins: [inspecting()], limits });
    const client = await wire.client();
    await client.send(post("/first", body(6), json));
    const peer = await wire.upstream.accept();
    await peer.request();
    return {
      wire,
      async finish() {
        await peer.write(ok("first"));
        expect(await client.response()).toMatchObject({ status: 200, text: "first" });
      },
    };
  }

  test.each([
    ["of a known length", post("/", body(6), json)],
    ["of unknown length", postChunked("/", [body(6)], json)],
  ])("a body %s for which there is no room is refused, and the first goes on", async (_, bytes) => {
    const { wire, finish } = await holding();
    const refused = await wire.exchange(bytes);
    expect([refused.status, errorCode(refused), refused.get("retry-after")]).toEqual([503, "overloaded", "1"]);
    await finish();
  });

  test("there is room again when the first has ended, or its client left", async () => {
    const { wire, finish } = await holding();
    await finish();
    for (let i = 0; i < 3; i++) {
      const client = await wire.client();
      await client.send(post("/more", body(6), json));
      await eventually(() => expect(wire.upstream.received.toString().match(/POST \/more/g)).toHaveLength(i + 1));
      client.destroy();
      await eventually(() => expect(wire.proxy.status().active).toBe(0));
    }
  });

  test("what nobody looks into is not counted: it is not kept", async () => {
    const wire = await openWire(answering(ok()), { limits: { inspectTotal: 1 } });
    expect((await wire.exchange(post("/", body(6), json))).status).toBe(200);
  });
});
