import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering } from "./evil-upstream.ts";
import { expectWaitRenewed, firstExchange, hour } from "./first-exchange.ts";
import { chunk, get, lastChunk, message, ok, okEvents, postHead } from "./messages.ts";
import { errorCode, openAsked, openWire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";

/** A port whose backlog is full: connecting to it neither succeeds nor fails. */
async function blackHole(): Promise<number> {
  const listen = `
    const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
  const port = Number(String((await once(child.stdout, "data"))[0]));
  const sockets = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    child.kill("SIGKILL");
  });
  await Promise.race(sockets.map((socket) => once(socket, "connect")));
  return port;
}

describe("connect", () => {
  test("a connection that does not stand in time: 504 connect_timeout", async () => {
    const seen = recorder();
    const targets = [{ url: `http://127.0.0.1:${await blackHole()}` }];
    const wire = await openWire([], {
      targets,
      timeouts: { connect: 100 },
      plugins: [seen.plugin],
    });
    const response = await wire.exchange(get("/"));
    expect(response.status).toBe(504);
    expect(errorCode(response)).toBe("connect_timeout");
    await seen.ended(1);
    expect(seen.attempts.map((attempt) => attempt.outcome.kind)).toEqual(["connect"]);
    expect(seen.attempts[0]?.target.live).toMatchObject({ inflight: 0, failures: 1 });
  });

  test("is tried on another target", async () => {
    const targets = [{ url: `http://127.0.0.1:${await blackHole()}` }];
    const wire = await openWire(answering(ok()), { targets, timeouts: { connect: 100 } });
    expect((await wire.exchange(get("/"))).status).toBe(200);
    expect((await wire.exchange(get("/"))).status).toBe(200);
  });
});

describe("headers", () => {
  test("an upstream that does not answer in time: 504 upstream_timeout, its connection closes", async () => {
    const seen = recorder();
    const { client, peer } = await openAsked({ timeouts: { headers: 100 }, plugins: [seen.plugin] });
    const response = await client.response();
    expect(response.status).toBe(504);
    expect(errorCode(response)).toBe("upstream_timeout");
    await within(peer.ending, "the upstream's connection closes");
    expect(seen.ends.map((end) => end.kind)).toEqual(["timeout"]);
    expect(seen.attempts[0]?.target.live).toMatchObject({ inflight: 0, failures: 1 });
  });

  test("half a head is no answer", async () => {
    const { client, peer } = await openAsked({ timeouts: { headers: 100 } });
    await peer.write("HTTP/1.1 200 OK\r\nX-A:");
    expect(errorCode(await client.response())).toBe("upstream_timeout");
  });

  test("a slow upload does not count", async () => {
    const { plugin, begun } = firstExchange();
    const wire = await openWire(undefined, { timeouts: { headers: hour }, plugins: [plugin] });
    const client = await wire.client();
    await client.send(postHead("/", 4) + "a");
    const peer = await wire.upstream.accept();
    const request = await peer.head();
    const x = await begun();
    for (let piece = 1; piece < 4; piece++) {
      await request.next();
      await expectWaitRenewed(x, () => client.send("a"));
    }
    expect((await request.whole()).ending).toBe("complete");
    await peer.write(ok());
    expect((await client.response()).status).toBe(200);
  });
});

describe("idle", () => {
  test.each([
    ["an event stream", okEvents() + chunk("data: 1\n\n")],
    ["a body with a length", message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half")],
    ["a body that has not begun", okEvents()],
  ])("%s that falls silent is cut, and does not look whole", async (_what, bytes) => {
    const { client, peer } = await openAsked({ timeouts: { idle: 150 } });
    await peer.write(bytes);
    const response = await client.response();
    expect(response.status).toBe(200);
    expect(["fin", "reset"]).toContain(response.ending);
    await within(peer.ending, "the upstream's connection closes");
  });

  test("each piece begins the wait anew", async () => {
    const { plugin, begun } = firstExchange();
    const { client, peer } = await openAsked({ timeouts: { idle: hour }, plugins: [plugin] });
    await peer.write(okEvents());
    const response = await client.head();
    const x = await begun();
    for (let piece = 0; piece < 3; piece++) {
      await expectWaitRenewed(x, () => peer.write(chunk(": still here\n\n")));
      await response.next();
    }
    await peer.write(lastChunk);
    expect((await response.whole()).ending).toBe("complete");
  });
});

describe("total", () => {
  test("an exchange without an answer in time: 504 total_timeout", async () => {
    const wire = await openWire((peer) => void peer.request(), { timeouts: { total: 100 } });
    const response = await wire.exchange(get("/"));
    expect(response.status).toBe(504);
    expect(errorCode(response)).toBe("total_timeout");
  });

  test("a stream that goes on for longer is cut, and does not look whole", async () => {
    const { client, peer } = await openAsked({ timeouts: { total: 200 } });
    await peer.write(okEvents());
    const late = setInterval(() => void peer.write(chunk("data: 1\n\n")), 20);
    await within(peer.ending, "the upstream's connection closes");
    clearInterval(late);
    expect(["fin", "reset"]).toContain((await client.response()).ending);
  });

  test("of 0 is none", async () => {
    const wire = await openWire(answering(ok()), {
      timeouts: { total: 0, idle: 0, headers: 0, connect: 0 },
    });
    expect((await wire.exchange(get("/"))).status).toBe(200);
  });
});

test("a client that stops reading for longer than limits.writeStall is cut, and so is its upstream", async () => {
  const seen = recorder();
  const { client, peer } = await openAsked({ limits: { writeStall: 200 }, plugins: [seen.plugin] });
  await peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 1000000000"]));
  await client.head();
  client.pause();
  void peer.write(Buffer.alloc(100_000_000));
  await within(peer.ending, "the upstream's connection closes");
  await within(seen.ended(1), "the exchange ends");
  expect(seen.ends.map((end) => end.kind)).toEqual(["stalled"]);
});

test("so is one that does not read what a plugin answers", async () => {
  const seen = recorder();
  const body = Buffer.alloc(50_000_000);
  const big = definePlugin({ name: "big", setup: () => ({ request: () => ({ status: 200, body }) }) });
  const wire = await openWire(undefined, {
    limits: { writeStall: 200 },
    plugins: [big(), seen.plugin],
  });
  const client = await wire.client();
  await client.send(get("/"));
  await client.head();
  client.pause();
  await within(seen.ended(1), "the exchange ends");
});
