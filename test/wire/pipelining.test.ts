import { expect, onTestFinished, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering } from "./evil-upstream.ts";
import { chunk, get, lastChunk, message, ok, okChunked, post, postChunked, postHead } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

// Requests on one connection: framed anew, answered in order, never taken for one another.

test("the body is framed anew: not one byte of the client's framing reaches the upstream", async () => {
  const wire = await openWire(answering((request) => ok(request.text)));
  const body = "5;secret=1\r\nhello\r\n006\r\n world\r\n000\r\nX-Trailer: 1\r\n\r\n";
  const response = await wire.exchange(message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], body));
  expect(response.text).toBe("hello world");
  expect(wire.upstream.received.toString("latin1")).not.toMatch(/secret|006/);
});

test.each(["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"])("a %s with a body keeps it", async (method) => {
  const wire = await openWire(answering(ok()));
  const bytes = message([`${method} / HTTP/1.1`, "Host: a", "Content-Length: 5"], "hello");
  expect((await wire.exchange(bytes, method)).status).toBe(200);
  expect(wire.upstream.requests.map((request) => request.method)).toEqual([method]);
  expect(wire.upstream.received.toString("latin1")).toContain("hello");
});

test("fifty pipelined requests are answered in order", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const wire = await openWire(answering((request) => ok(request.path)));
  const client = await wire.client();
  const paths = Array.from({ length: 50 }, (_, index) => `/${index}`);
  await client.send(paths.map((path) => get(path)).join(""));
  const answers: string[] = [];
  for (const _ of paths) answers.push((await client.response()).text);
  expect(answers).toEqual(paths);
  expect(warnings).toEqual([]);
});

test("a malformed request behind a good one: the good one is answered, then 400 and the end", async () => {
  const wire = await openWire(answering((request) => ok(request.path)));
  const client = await wire.client();
  await client.send(get("/good") + message(["GET / HTTP/1.1", "Host: a", "X A: a"]) + get("/smuggled"));
  expect(await client.response()).toMatchObject({ status: 200, text: "/good" });
  expect(await client.response()).toMatchObject({ status: 400 });
  await within(client.ending, "the connection closes");
  expect(wire.upstream.requests.map((request) => request.path)).toEqual(["/good"]);
});

test("a malformed request behind a stream: the stream goes on to its end, then 400", async () => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(get("/stream"));
  const peer = await wire.upstream.accept();
  await peer.request();
  await peer.write(okChunked() + chunk("one"));
  const response = await client.head();
  await response.next();
  await client.send("garbage\r\n\r\n");
  const other = await wire.client();
  await other.send(get("/tick"));
  const second = await wire.upstream.accept();
  await second.request();
  await second.write(ok());
  await other.response();
  await peer.write(chunk("two") + lastChunk);
  expect(await response.whole()).toMatchObject({ text: "two", ending: "complete" });
  expect((await client.response()).status).toBe(400);
  await within(client.ending, "the connection closes");
});

test.each([
  ["a length", postHead("/", 100) + "cut"],
  ["chunks", message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], chunk("cut"))],
])("a client that leaves in the middle of %s: the upstream sees an aborted request", async (_what, bytes) => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(bytes);
  const peer = await wire.upstream.accept();
  const request = await peer.head();
  expect((await request.next())?.data.toString()).toBe("cut");
  client.halfClose();
  expect(await request.next()).toBeUndefined();
  expect(request.ending).not.toBe("complete");
});

const guard = definePlugin({
  name: "guard",
  setup: () => ({ request: (x) => (x.path === "/" ? { status: 401 } : undefined) }),
});

test("the body of a request that was refused early is never parsed as a request", async () => {
  const wire = await openWire(answering(ok()), { plugins: [guard()] });
  const client = await wire.client();
  await client.send(post("/", get("/smuggled")) + get("/next"));
  expect((await client.response()).status).toBe(401);
  const next = await client.response().catch(() => undefined);
  expect(next?.status ?? "closed").toSatisfy((answer) => answer === 200 || answer === "closed");
  expect(wire.upstream.received.toString("latin1")).not.toContain("smuggled");
});

test("HTTP/1.0: a chunked answer becomes a body that ends with the connection", async () => {
  const wire = await openWire(answering(okChunked() + chunk("one") + chunk("two") + lastChunk));
  const response = await wire.exchange(message(["GET / HTTP/1.0", "Host: a"]));
  expect(response).toMatchObject({
    status: 200,
    framing: "close",
    text: "onetwo",
    ending: "complete",
  });
  expect(response.get("transfer-encoding")).toBeUndefined();
});

test("HTTP/1.0 with keep-alive: a chunked answer still ends with the connection", async () => {
  const wire = await openWire(answering(okChunked() + chunk("one") + lastChunk));
  const response = await wire.exchange(message(["GET / HTTP/1.0", "Host: a", "Connection: keep-alive"]));
  expect(response).toMatchObject({ framing: "close", text: "one", ending: "complete" });
  expect(response.get("connection")).toBe("close");
});

test("HTTP/1.0: an answer with a length keeps it", async () => {
  const wire = await openWire(answering(ok("hello")));
  const response = await wire.exchange(message(["GET / HTTP/1.0", "Host: a"]));
  expect(response).toMatchObject({ framing: "length", text: "hello", ending: "complete" });
});

test("a chunked upload arrives whole", async () => {
  const wire = await openWire(answering((request) => ok(request.text)));
  expect((await wire.exchange(postChunked("/", ["hel", "lo"]))).text).toBe("hello");
});

test("a request with an effect is answered before the next one is sent on", async () => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(post("/1", "hello") + get("/2"));
  const peer = await wire.upstream.accept();
  await peer.request();
  expect(wire.upstream.requests.map((request) => request.path)).toEqual(["/1"]);
  const other = await wire.client();
  await other.send(get("/tick"));
  const second = await wire.upstream.accept();
  expect((await second.request()).path).toBe("/tick");
});
