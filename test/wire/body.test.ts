import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { definePlugin, type Exchange } from "plugboard";
import { answering } from "./evil-upstream.ts";
import { get, message, ok, post, postChunked, postHead } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const needs = definePlugin({ name: "needs", setup: (proxy) => proxy.needs({ body: 1_000_000 }) });
const ways = [
  ["streamed", []],
  ["buffered", [needs()]],
] as const;

test("a body is forwarded as it arrives", async () => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(postHead("/", 10) + "hello");
  const peer = await wire.upstream.accept();
  const request = await within(peer.head(), "the head arrives before the body is whole");
  expect((await request.next())?.data.toString()).toBe("hello");
  await client.send("world");
  expect((await request.whole()).text).toBe("world");
  await peer.write(ok("done"));
  expect((await client.response()).text).toBe("done");
});

test.each(ways)("a body with a length keeps it: %s", async (_way, plugins) => {
  const wire = await openWire(
    answering((request) => ok(request.text)),
    { plugins },
  );
  expect((await wire.exchange(post("/", "hello"))).text).toBe("hello");
  expect(wire.upstream.requests[0]?.get("content-length")).toBe("5");
  expect(wire.upstream.requests[0]?.framing).toBe("length");
});

test("a body without one stays without one while it is streamed", async () => {
  const wire = await openWire(answering((request) => ok(request.text)));
  await wire.exchange(postChunked("/", ["hello"]));
  expect(wire.upstream.requests[0]?.framing).toBe("chunked");
});

test("a body that was buffered for a plugin has a length", async () => {
  const wire = await openWire(
    answering((request) => ok(request.text)),
    { plugins: [needs()] },
  );
  expect((await wire.exchange(postChunked("/", ["hel", "lo"]))).text).toBe("hello");
  expect(wire.upstream.requests[0]?.get("content-length")).toBe("5");
});

test.each([
  ["POST with a length of 0", post("/", "")],
  ["POST with no framing", message(["POST / HTTP/1.1", "Host: a"])],
  ["chunked POST that is empty", postChunked("/", [])],
  ["GET", get("/")],
])("a %s arrives without a body, and the connection goes on", async (_what, bytes) => {
  const wire = await openWire(answering((request) => ok(`${request.method} ${request.body.length}`)));
  const client = await wire.client();
  await client.send(bytes + get("/next"));
  expect((await client.response()).text).toMatch(/^(GET|POST) 0$/);
  expect((await client.response()).text).toBe("GET 0");
});

test("a POST without a body says so: Content-Length: 0", async () => {
  const wire = await openWire(answering(ok()));
  await wire.exchange(post("/", ""));
  expect(wire.upstream.requests[0]?.get("content-length")).toBe("0");
});

test.each(ways)("500 kilobytes of noise arrive unchanged: %s", async (_way, plugins) => {
  const noise = randomBytes(500_000);
  const wire = await openWire(
    answering((request) => ok(sha256(request.body))),
    { plugins },
  );
  const client = await wire.client();
  await client.send(postHead("/", noise.length));
  await client.send(noise);
  expect((await client.response()).text).toBe(sha256(noise));
});

test("a plugin's replacement of the body is framed by its own length", async () => {
  const replace = definePlugin({
    name: "replace",
    setup(proxy) {
      proxy.needs({ body: 100 });
      return {
        upstreamRequest: (x: Exchange) => void (x.upstream.body = Buffer.from("another body")),
      };
    },
  });
  const wire = await openWire(
    answering((request) => ok(request.text)),
    { plugins: [replace()] },
  );
  expect((await wire.exchange(post("/", "hello"))).text).toBe("another body");
  expect(wire.upstream.requests[0]?.get("content-length")).toBe("12");
});

test.each(["Content-Length", "Transfer-Encoding", "Connection"])("a plugin cannot set %s", async (name) => {
  const meddle = definePlugin({
    name: "meddle",
    setup: () => ({
      upstreamRequest: (x: Exchange) => void (x.upstream.headers[name.toLowerCase()] = "3"),
    }),
  });
  const wire = await openWire(
    answering((request) => ok(request.text)),
    { plugins: [meddle()] },
  );
  expect(await wire.exchange(post("/", "hello"))).toMatchObject({ status: 200, text: "hello" });
});
