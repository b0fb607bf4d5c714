import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAuthority, pemFiles } from "../certificates.ts";
import { eventually } from "../e2e/eventually.ts";
import { openHttp2 } from "./http2-upstream.ts";
import { get, handshake, postChunked } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { at, within } from "./waiting.ts";

const answer = (stream: ServerHttp2Stream): void => {
  stream.respond({ ":status": 200, "x-from": "h2" });
  stream.end("ok");
};

describe("a target with http2", () => {
  test("that speaks HTTP/1.1 only is spoken to so, over the connection that was opened first", async () => {
    const authority = createAuthority();
    const { ca } = pemFiles({ ca: authority.cert });
    const server = createServer(authority.issue(), (request, response) => {
      request.resume().once("end", () => response.end(request.httpVersion));
    });
    let connections = 0;
    server.on("secureConnection", () => (connections += 1)).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => server.close().closeAllConnections());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const wire = await openWire([], { targets: [{ url, tls: { ca }, http2: true }] });
    const answers = [await wire.exchange(get("/")), await wire.exchange(postChunked("/", ["body"]))];
    expect(answers.map(({ text }) => text)).toEqual(["1.1", "1.1"]);
    expect(connections).toBe(1);
    const several = await Promise.all([1, 2, 3].map(() => wire.exchange(get("/"))));
    expect(several.map(({ text }) => text)).toEqual(["1.1", "1.1", "1.1"]);
  });

  test("gets upgrades over HTTP/1.1, on a connection of their own", async () => {
    const { wire, upstream } = await openHttp2(answer, { server: { allowHTTP1: true } });
    upstream.server.on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      socket.pipe(socket);
    });
    expect((await wire.exchange(get("/"))).get("x-from")).toBe("h2");
    const client = await wire.client();
    await client.send(handshake);
    expect((await client.head()).status).toBe(101);
    await client.send("echo");
    expect((await client.reader.take(4)).toString()).toBe("echo");
    expect(upstream.open.size).toBe(2);
  });

  test("has its idle connections closed after keepAlive", async () => {
    const { wire, upstream } = await openHttp2(answer, { spec: { keepAlive: 50 } });
    expect((await wire.exchange(get("/"))).status).toBe(200);
    await eventually(() => expect(upstream.open.size).toBe(0));
    expect((await wire.exchange(get("/"))).status).toBe(200);
    expect(upstream.sessions).toHaveLength(2);
  });

  test("keeps a connection on which a stream is silent for longer than keepAlive", async () => {
    const streams: ServerHttp2Stream[] = [];
    const { wire, upstream } = await openHttp2(
      (stream, head) => void (head[":path"] === "/slow" ? streams.push(stream) : answer(stream)),
      { spec: { keepAlive: 20 } },
    );
    const slow = wire.exchange(get("/slow"));
    await within(upstream.seen.reached(1), "the request arrives");
    // One that was opened later, and is idle, is closed meanwhile.
    const idle = await openHttp2(answer, { spec: { keepAlive: 20 } });
    await idle.wire.exchange(get("/"));
    await eventually(() => expect(idle.upstream.open.size).toBe(0));
    expect((await wire.exchange(get("/"))).text).toBe("ok");
    expect(upstream.sessions).toHaveLength(1);
    answer(at(streams));
    expect((await slow).text).toBe("ok");
  });

  test("has its connections closed with the proxy", async () => {
    const { wire, upstream } = await openHttp2(answer);
    await wire.exchange(get("/"));
    await wire.proxy.close();
    await eventually(() => expect(upstream.open.size).toBe(0));
  });

  test("that is gone after a reload has its connections closed when what is under way has ended", async () => {
    const streams: ServerHttp2Stream[] = [];
    const told = recorder();
    const { wire, upstream } = await openHttp2((stream) => void streams.push(stream), { plugins: [told.plugin] });
    const answered = wire.exchange(get("/"));
    await within(upstream.seen.reached(1), "the request arrives");
    await wire.proxy.reload({ ...wire.config, plugins: [] });
    answer(at(streams));
    expect((await answered).text).toBe("ok");
    await eventually(() => expect(upstream.open.size).toBe(0));
  });
});
