import { expect, test } from "vitest";
import { closedUrl } from "./closed-port.ts";
import { answering } from "./evil-upstream.ts";
import { chunk, get, ok, okEvents } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

test("connections to the upstream are kept and used again", async () => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  for (let index = 0; index < 5; index++) {
    await client.send(get("/"));
    expect((await client.response()).status).toBe(200);
  }
  expect(wire.upstream.peers).toHaveLength(1);
});

test("clients that leave cost their upstream no new connections", async () => {
  const wire = await openWire(
    answering(({ path }) => (path === "/stream" ? okEvents() + chunk("data: 1\n\n") : ok("answered"))),
  );
  const clients = await Promise.all(Array.from({ length: 5 }, () => wire.client()));
  for (const client of clients) {
    await client.send(get("/stream"));
    await (await client.head()).next();
  }
  expect(wire.upstream.peers).toHaveLength(5);
  for (const client of clients) client.destroy();
  await Promise.all(wire.upstream.peers.map((peer) => within(peer.ending, "the upstream hears of it")));
  // Each is one more only if nothing was opened ahead of it.
  for (const path of ["/one", "/two"]) expect((await wire.exchange(get(path))).text).toBe("answered");
  expect(wire.upstream.peers).toHaveLength(6);
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
