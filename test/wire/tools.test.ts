import { createServer, get as httpGet, type IncomingMessage, type RequestListener } from "node:http";
import type { Socket } from "node:net";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { answering, evilUpstream, portOf, type EvilUpstream, type Script } from "./evil-upstream.ts";
import { chunk, get, lastChunk, ok, okChunked, post, postChunked } from "./messages.ts";
import { rawClient, type RawClient } from "./raw-client.ts";

// The tools against node:http, so that a failure in the other files is the proxy's.

async function clientOf(listener: RequestListener): Promise<RawClient> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = await rawClient(portOf(server));
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  return client;
}

async function upstreamOf(script?: Script): Promise<EvilUpstream> {
  const upstream = await evilUpstream(script);
  onTestFinished(() => upstream.close());
  return upstream;
}

test("the client reads a response with a length and the next one on the same connection", async () => {
  const client = await clientOf((req, res) => void res.end(req.url));
  await client.send(get("/1") + get("/2"));
  expect(await client.response()).toMatchObject({
    status: 200,
    text: "/1",
    framing: "length",
    ending: "complete",
  });
  expect(await client.response()).toMatchObject({ status: 200, text: "/2" });
});

test("the client reads chunks as they come, and trailers", async () => {
  const client = await clientOf((_req, res) => {
    res.writeHead(200, { trailer: "x-sum" });
    res.addTrailers({ "x-sum": "1" });
    res.write("one");
    setImmediate(() => res.end("two"));
  });
  await client.send(get("/"));
  const response = await client.response();
  expect(response).toMatchObject({
    framing: "chunked",
    text: "onetwo",
    trailers: [["x-sum", "1"]],
  });
  expect(response.chunks).toHaveLength(2);
  expect(response.chunks[0]?.at).toBeGreaterThanOrEqual(response.headAt);
});

test("the client collects informational responses", async () => {
  const client = await clientOf((_req, res) => {
    res.writeEarlyHints({ link: "</a>; rel=preload" });
    res.end();
  });
  await client.send(get("/"));
  const { informational } = await client.response();
  expect(informational.map((head) => head.startLine)).toEqual(["HTTP/1.1 103 Early Hints"]);
});

test("the client does not expect a body after HEAD and 304", async () => {
  const client = await clientOf((req, res) => {
    res.writeHead(req.url === "/304" ? 304 : 200, { "content-length": 5 });
    res.end();
  });
  await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await client.response("HEAD")).toMatchObject({ status: 200, text: "", framing: "none" });
  await client.send(get("/304"));
  expect(await client.response()).toMatchObject({ status: 304, text: "" });
});

type Finish = (socket: Socket) => void;

const finishes: readonly (readonly [what: string, ending: string, finish: Finish])[] = [
  [
    "a FIN in the middle of a length",
    "fin",
    (socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
  ],
  ["a FIN in the middle of chunks", "fin", (socket) => void socket.end(okChunked() + chunk("cut"))],
  ["a FIN after a body without a length", "complete", (socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nwhole")],
  [
    "an RST in a body without a length",
    "reset",
    (socket) => void socket.write("HTTP/1.1 200 OK\r\n\r\ncut", () => setTimeout(() => socket.resetAndDestroy(), 5)),
  ],
];

test.each(finishes)("the client tells how a response ended: %s", async (_what, ending, finish) => {
  const client = await clientOf((req) => finish(req.socket));
  await client.send(get("/"));
  expect((await client.response()).ending).toBe(ending);
});

test.each([
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"],
  ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
  ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"],
  ["a chunk size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"],
])("the client refuses %s", async (_what, bytes) => {
  const client = await clientOf((req) => void req.socket.end(bytes));
  await client.send(get("/"));
  await expect(client.response()).rejects.toThrow();
});

test("the upstream answers requests and keeps them and their bytes", async () => {
  const upstream = await upstreamOf(answering((request) => ok(request.text)));
  const client = await rawClient(upstream.port);
  await client.send(post("/a?b", "hello") + postChunked("/c", ["wor", "ld"]));
  expect((await client.response()).text).toBe("hello");
  expect((await client.response()).text).toBe("world");
  expect(upstream.requests.map(({ method, path, framing }) => ({ method, path, framing }))).toEqual([
    { method: "POST", path: "/a?b", framing: "length" },
    { method: "POST", path: "/c", framing: "chunked" },
  ]);
  expect(upstream.received.toString("latin1")).toBe(post("/a?b", "hello") + postChunked("/c", ["wor", "ld"]));
});

test("the upstream is driven by a test, and what it wrote arrives before its reset", async () => {
  const upstream = await upstreamOf();
  const response = new Promise<IncomingMessage>((resolve) => httpGet(upstream.url, resolve).on("error", () => {}));
  const peer = await upstream.accept();
  await peer.request();
  await peer.write(okChunked() + chunk("one"));
  const received = await response;
  expect((await once(received, "data"))[0].toString()).toBe("one");
  const failed = once(received, "error");
  await peer.reset();
  expect((await failed)[0].code).toBe("ECONNRESET");
});

test("the upstream tells a FIN from an RST", async () => {
  const upstream = await upstreamOf();
  const [polite, rude] = [await rawClient(upstream.port), await rawClient(upstream.port)];
  const [first, second] = [await upstream.accept(), await upstream.accept()];
  polite.halfClose();
  rude.reset();
  expect([await first.ending, await second.ending].toSorted()).toEqual(["fin", "reset"]);
  polite.destroy();
});

test("the upstream says when a request body was cut", async () => {
  const upstream = await upstreamOf();
  const client = await rawClient(upstream.port);
  const peer = await upstream.accept();
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("cut"));
  client.halfClose();
  expect(await peer.request()).toMatchObject({ text: "cut", ending: "fin" });
  client.destroy();
});

test("a mistake in a script fails the test that closes the upstream", async () => {
  const upstream = await evilUpstream(() => {
    throw new Error("a mistake");
  });
  const client = await rawClient(upstream.port);
  await client.send(get("/") + lastChunk);
  await expect(upstream.close()).rejects.toThrow("a mistake");
  client.destroy();
});
