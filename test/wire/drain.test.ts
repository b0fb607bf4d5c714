import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering, type Peer } from "./evil-upstream.ts";
import { chunk, get, handshake, lastChunk, ok, okEvents, switching } from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";
import type { OpenResponse, RawClient } from "./raw-client.ts";
import { at, within } from "./waiting.ts";

const ready = definePlugin({
  name: "ready",
  setup(proxy) {
    proxy.route("GET", "/ready", () => (proxy.status().draining ? new Response("draining", { status: 503 }) : "ready"));
  },
});

interface Running {
  readonly wire: Wire;
  readonly client: RawClient;
  readonly peer: Peer;
  readonly response: OpenResponse;
}

/** A proxy with a stream under way. */
async function streaming(limits: { drainDelay?: number; drainIdle?: number; drain?: number } = {}): Promise<Running> {
  const script = answering(({ path }) => (path === "/stream" ? okEvents() + chunk("data: 1\n\n") : ok("answered")));
  const wire = await openWire(script, { limits, plugins: [ready()] });
  const client = await wire.client();
  await client.send(get("/stream"));
  const response = await client.head();
  await response.next();
  return { wire, client, response, peer: at(wire.upstream.peers) };
}

/** `connected`, or the code of the error. */
async function connecting(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const outcome = await once(socket, "connect").then(
    () => "connected",
    (error: NodeJS.ErrnoException) => error.code ?? "failed",
  );
  socket.destroy();
  return outcome;
}

test(
  "a drain: readiness fails, requests are served with Connection: close, streams go on to their end",
  { timeout: 15_000 },
  async () => {
    const { wire, response, peer } = await streaming({ drainDelay: 1_500, drainIdle: 100 });
    const [idle, quiet] = [await wire.client(), await wire.client()];
    for (const client of [idle, quiet]) {
      await client.send(get("/before"));
      expect((await client.response()).get("connection") ?? "keep-alive").toBe("keep-alive");
    }

    const closing = wire.proxy.close();
    expect(wire.proxy.status().draining).toBe(true);
    expect(await wire.exchange(get("/ready"))).toMatchObject({ status: 503, text: "draining" });
    await idle.send(get("/during"));
    const [old, fresh] = [await idle.response(), await wire.exchange(get("/during"))];
    for (const served of [old, fresh]) {
      expect(served).toMatchObject({ status: 200, text: "answered", ending: "complete" });
      expect(served.get("connection")).toBe("close");
    }
    expect(await within(idle.ending, "a connection that was told to close closes")).toBe("fin");
    expect(await within(quiet.ending, "an idle connection closes", 4_000)).toBe("fin");

    await peer.write(chunk("data: 2\n\n"));
    expect((await response.next())?.data.toString()).toBe("data: 2\n\n");
    await peer.write(lastChunk);
    expect((await response.whole()).ending).toBe("complete");
    await within(closing, "close() resolves", 4_000);
    expect(await connecting(wire.port)).toBe("ECONNREFUSED");
    expect(wire.proxy.status().active).toBe(0);
  },
);

test("a second close() ends at once, and what it cuts does not look whole", async () => {
  const { wire, response, peer } = await streaming();
  const closing = wire.proxy.close();
  await within(wire.proxy.close(), "the second close() resolves");
  await within(closing, "the first close() resolves");
  expect(["fin", "reset"]).toContain((await response.whole()).ending);
  await within(peer.ending, "the upstream's connection closes");
});

test("a deadline ends what has not ended by itself", async () => {
  const { wire, response, peer } = await streaming();
  await within(wire.proxy.close({ deadline: 100 }), "close() resolves");
  expect(["fin", "reset"]).toContain((await response.whole()).ending);
  await within(peer.ending, "the upstream's connection closes");
});

test("limits.drain is the deadline when none is given", async () => {
  const { wire, response } = await streaming({ drain: 100 });
  await within(wire.proxy.close(), "close() resolves");
  expect(["fin", "reset"]).toContain((await response.whole()).ending);
});

test("an idle proxy closes at once", async () => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(get("/"));
  await client.response();
  await within(wire.proxy.close(), "close() resolves");
  expect(await within(client.ending, "the idle connection closes")).toBe("fin");
});

test("a response that began before the drain says nothing wrong about the connection, which closes after it", async () => {
  const { wire, client, response, peer } = await streaming();
  const closing = wire.proxy.close();
  await peer.write(lastChunk);
  expect((await response.whole()).ending).toBe("complete");
  await within(client.ending, "its connection closes");
  await within(closing, "close() resolves");
});

test("a tunnel gets its time too, and is closed at the deadline on both sides", async () => {
  const wire = await openWire(async (peer) => {
    await peer.request();
    await peer.write(switching());
  });
  const client = await wire.client();
  await client.send(handshake);
  expect((await client.head()).status).toBe(101);
  const closing = wire.proxy.close({ deadline: 300 });
  await client.send("hi");
  expect((await at(wire.upstream.peers).reader.take(2)).toString()).toBe("hi");
  await within(Promise.all([client.ending, at(wire.upstream.peers).ending]), "both sides close");
  await within(closing, "close() resolves");
});

test("a request that was waiting for its answer gets it", async () => {
  const wire = await openWire();
  const client = await wire.client();
  await client.send(get("/"));
  const peer = await wire.upstream.accept();
  await peer.request();
  const closing = wire.proxy.close();
  await peer.write(ok("late"));
  const response = await client.response();
  expect(response).toMatchObject({ status: 200, text: "late", ending: "complete" });
  expect(response.get("connection")).toBe("close");
  await within(closing, "close() resolves");
});

test("close() without listen() and close() twice after the end are fine", async () => {
  const { wire } = await streaming();
  await wire.proxy.close({ deadline: 0 });
  await within(wire.proxy.close(), "close() resolves");
  await within(wire.proxy.close(), "close() resolves");
});

const held = (): number =>
  process.getActiveResourcesInfo().filter((kind) => /^TCP|^Timeout|^FSEvent/.test(kind)).length;

test("nothing is left open", async () => {
  const before = held();
  const { wire, client, peer } = await streaming();
  await wire.exchange(get("/"));
  await wire.proxy.close({ deadline: 0 });
  client.destroy();
  await peer.ending;
  await wire.upstream.close();
  for (let turn = 0; turn < 100 && held() > before; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(held()).toBeLessThanOrEqual(before);
});
