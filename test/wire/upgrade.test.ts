import { describe, expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { closedUrl } from "./closed-port.ts";
import { answering, type Peer, type Script } from "./evil-upstream.ts";
import { get, handshake, message, ok, post, switching, upgradeHeaders, webSocketKey } from "./messages.ts";
import { errorCode, expectUntouched, openWire, type Wire } from "./open-wire.ts";
import type { OpenResponse } from "./raw-client.ts";
import { at, within } from "./waiting.ts";

describe("an upgrade that the upstream refuses", () => {
  test("is a normal response, and what the client sent behind it never reaches the upstream as a request", async () => {
    const wire = await openWire(
      answering(({ path }) =>
        path === "/socket" ? message(["HTTP/1.1 403 No", "Content-Length: 2"], "no") : ok(path),
      ),
    );
    const client = await wire.client();
    await client.send(handshake + get("/smuggled", "X-Smuggled: 1"));
    expect(await client.response()).toMatchObject({ status: 403, text: "no", ending: "complete" });
    await wire.exchange(get("/after"));
    expect(wire.upstream.peers[0]?.reader.received.toString("latin1")).not.toContain("smuggled");
  });

  test("with 200 is passed on", async () => {
    const wire = await openWire(answering(ok("no websocket here")));
    expect(await wire.exchange(handshake)).toMatchObject({
      status: 200,
      text: "no websocket here",
      ending: "complete",
    });
  });

  test("is answered although the client has sent more than it should have, and the connection ends", async () => {
    const wire = await openWire(answering(message(["HTTP/1.1 403 No", "Content-Length: 2"], "no")));
    const client = await wire.client();
    void client.send(Buffer.concat([Buffer.from(handshake), Buffer.alloc(1_000_000, "a")]));
    expect(await client.response()).toMatchObject({ status: 403, text: "no", ending: "complete" });
    await within(client.ending, "the connection ends");
  });

  test.each(["close", "reset"] as const)("by %s is a 502", async (fault) => {
    const wire = await openWire(async (peer) => {
      await peer.request();
      await peer[fault]();
    });
    expect((await wire.exchange(handshake)).status).toBe(502);
  });

  test.each(["h2c", "evil", "websocket, evil", ""])(
    "a 101 to %j instead: 502, nothing of it reaches the client",
    async (protocol) => {
      const wire = await openWire(async (peer) => {
        await peer.request();
        await peer.write(`${switching(protocol)}evil`);
      });
      const response = await wire.exchange(handshake);
      expect(response.status).toBe(502);
      expect(errorCode(response)).toBe("upstream_protocol");
      expect(response.text).not.toContain("evil");
      await within(at(wire.upstream.peers).ending, "the upstream's connection closes");
    },
  );
});

describe.each(["halfClose", "reset"] as const)("a client that leaves by %s before the 101", (leave) => {
  test.each([
    ["having sent nothing", 0],
    ["having sent something already", 5],
    ["having sent a lot already", 60_000],
  ])("%s: noticed at once", async (_what, early) => {
    const wire = await openWire();
    const client = await wire.client();
    await client.send(handshake);
    const peer = await wire.upstream.accept();
    await peer.request();
    await client.send("a".repeat(early));
    await wire.client();
    client[leave]();
    await within(peer.ending, "the upstream's connection closes", 1_000);
    expect(peer.reader.received.toString("latin1")).not.toContain("aaaaa");
  });
});

describe("a handshake and another target", () => {
  test("is tried when the first one cannot be reached", async () => {
    const script: Script = async (peer) => {
      await peer.request();
      await peer.write(switching());
    };
    const wire = await openWire(script, { targets: [{ url: await closedUrl() }] });
    for (let index = 0; index < 2; index++) expect((await shakenHands(wire)).status).toBe(101);
    expect(wire.upstream.requests).toHaveLength(2);
  });

  test.each(["close", "reset"] as const)("is tried when the first one ends it by %s before the 101", async (fault) => {
    const tried: Peer[] = [];
    const script: Script = async (peer) => {
      await peer.request();
      tried.push(peer);
      await (tried.length === 1 ? peer[fault]() : peer.write(`${switching()}hello`));
    };
    const wire = await openWire([script, script]);
    const client = await wire.client();
    await client.send(`${handshake}early`);
    expect((await client.head()).status).toBe(101);
    expect((await client.reader.take(5)).toString()).toBe("hello");
    expect((await at(tried, 1).reader.take(5)).toString()).toBe("early");
    expect(at(tried).reader.received.toString("latin1")).not.toContain("early");
  });

  test("is not tried when the first one answers", async () => {
    const script = answering(message(["HTTP/1.1 503 No", "Content-Length: 2"], "no"));
    const wire = await openWire([script, script]);
    expect((await wire.exchange(handshake)).status).toBe(503);
    expect(wire.upstreams.flatMap(({ requests }) => requests)).toHaveLength(1);
  });
});

async function shakenHands(wire: Wire): Promise<OpenResponse> {
  const client = await wire.client();
  await client.send(handshake);
  return client.head();
}

describe("requests that are not upgraded", () => {
  test("h2c is ignored", async () => {
    const wire = await openWire(answering(ok("plain")));
    const response = await wire.exchange(
      get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: a"),
    );
    expect(response).toMatchObject({ status: 200, text: "plain" });
    expect(wire.upstream.requests[0]?.get("upgrade")).toBeUndefined();
    expect(wire.upstream.requests[0]?.get("http2-settings")).toBeUndefined();
  });

  test("a request with a body that offers h2c, as Java's clients do, is served", async () => {
    const wire = await openWire(answering((request) => ok(request.text)));
    const offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: a"];
    expect(await wire.exchange(post("/", "hello", ...offer))).toMatchObject({
      status: 200,
      text: "hello",
    });
  });

  test("an unknown protocol is ignored, and the client is told if the connection cannot go on", async () => {
    const wire = await openWire(answering(({ path }) => ok(path)));
    const client = await wire.client();
    await client.send(get("/1", "Connection: Upgrade", "Upgrade: evil") + get("/2"));
    const response = await client.response();
    expect(response).toMatchObject({ status: 200, text: "/1" });
    if (response.get("connection") === "close") await within(client.ending, "it closes");
    else expect(await client.response()).toMatchObject({ status: 200, text: "/2" });
  });

  test("websocket is ignored when the config does not allow it", async () => {
    const wire = await openWire(answering(ok("plain")), { upgrades: [] });
    expect(await wire.exchange(handshake)).toMatchObject({ status: 200, text: "plain" });
    expect(wire.upstream.requests[0]?.get("upgrade")).toBeUndefined();
  });

  test("another protocol is tunnelled when the config allows it", async () => {
    const wire = await openWire(
      async (peer) => {
        await peer.request();
        await peer.write(`${switching("chat")}hello`);
      },
      { upgrades: ["chat"] },
    );
    const client = await wire.client();
    await client.send(get("/", "Connection: Upgrade", "Upgrade: chat"));
    expect((await client.head()).status).toBe(101);
    expect((await client.reader.take(5)).toString()).toBe("hello");
  });

  test.each([
    ["no key", []],
    ["an empty key", ["Sec-WebSocket-Key:"]],
    ["a key that is no base64", ["Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="]],
    ["a key that is too short", ["Sec-WebSocket-Key: YWJj"]],
    ["two keys", [webSocketKey, webSocketKey]],
  ])("%s: 400, nothing reaches the upstream", async (_what, keys) => {
    const wire = await openWire(answering(ok()));
    expect((await wire.exchange(get("/socket", ...upgradeHeaders, ...keys))).status).toBe(400);
    await expectUntouched(wire);
  });

  test("a gate that refuses answers the handshake", async () => {
    const guard = definePlugin({
      name: "guard",
      setup: () => ({ request: (x) => (x.path === "/socket" ? { status: 401 } : undefined) }),
    });
    const wire = await openWire(answering(ok()), { plugins: [guard()] });
    expect((await wire.exchange(handshake)).status).toBe(401);
    await expectUntouched(wire);
  });
});
