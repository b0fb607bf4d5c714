import { expect, test } from "vitest";
import { closedUrl } from "./closed-port.ts";
import { answering } from "./evil-upstream.ts";
import { get, ok } from "./messages.ts";
import { openWire } from "./open-wire.ts";

test("connections to the upstream are kept and used again", async () => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  for (let index = 0; index < 5; index++) {
    await client.send(get("/"));
    expect((await client.response()).status).toBe(200);
  }
  expect(wire.upstream.peers).toHaveLength(1);
});

test("two proxies live in one process", async () => {
  const [one, two] = [await openWire(answering(ok("one"))), await openWire(answering(ok("two")))];
  expect([(await one.exchange(get("/"))).text, (await two.exchange(get("/"))).text]).toEqual(["one", "two"]);
});

test("an upstream that says Connection: close gets a new connection for the next request", async () => {
  const wire = await openWire(async (peer) => {
    await peer.request();
    await peer.write(ok("", "Connection: close"));
    await peer.close();
  });
  const client = await wire.client();
  for (let index = 0; index < 3; index++) {
    await client.send(get("/"));
    const response = await client.response();
    expect(response.status).toBe(200);
    expect(response.get("connection") ?? "keep-alive").toBe("keep-alive");
  }
  expect(wire.upstream.peers).toHaveLength(3);
});

test("an upstream that is not there when the proxy starts is no reason not to start", async () => {
  const wire = await openWire([], { targets: [{ url: await closedUrl() }] });
  expect((await wire.exchange(get("/"))).status).toBe(502);
});
