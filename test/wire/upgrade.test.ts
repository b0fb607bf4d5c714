import { describe, expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering } from "./evil-upstream.ts";
import { get, handshake, message, ok, post, switching, upgradeHeaders, webSocketKey } from "./messages.ts";
import { errorCode, expectUntouched, openWire } from "./open-wire.ts";
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
