import type { ListenerConfig, ListenerState, Plugin } from "plugboard";
import { expect, onTestFinished, test } from "vitest";
import { hooks } from "../core/quick-plugin.ts";
import { eventually } from "../e2e/eventually.ts";
import { answering } from "./evil-upstream.ts";
import { get, ok } from "./messages.ts";
import { errorCode, openWire, type Wire } from "./open-wire.ts";
import { rawClient, type RawClient } from "./raw-client.ts";
import { at, within } from "./waiting.ts";

/** An idle connection of a port that closes is kept for longer than any test takes. */
const limits = { drainIdle: 60_000 };

type Listeners = Readonly<Record<string, ListenerConfig>>;

function openPorts(listeners: Listeners): Promise<Wire> {
  return openWire(
    answering(({ path }) => ok(path)),
    { limits, listeners },
  );
}

async function reload(wire: Wire, listeners: Listeners): Promise<void> {
  await wire.proxy.reload({ ...wire.config, listeners });
}

function portOf(wire: Wire, name: string): number {
  return at(wire.proxy.listeners().filter((listener) => listener.name === name)).port;
}

async function clientOf(port: number): Promise<RawClient> {
  const client = await rawClient(port);
  onTestFinished(() => client.destroy());
  return client;
}

/** A client that had its first answer from this listener. */
async function keptClient(wire: Wire, name: string): Promise<RawClient> {
  const client = await clientOf(portOf(wire, name));
  await client.send(get("/first"));
  expect(await client.response()).toMatchObject({ status: 200, ending: "complete" });
  return client;
}

test("a kept connection of a listener that a reload took away is told so, and nothing of it goes on", async () => {
  const wire = await openPorts({ extra: { port: 0 } });
  const client = await keptClient(wire, "extra");
  await reload(wire, {});
  await client.send(get("/second"));
  const response = await within(client.response(), "the answer");
  expect(response.status).toBe(503);
  expect(errorCode(response)).toBe("draining");
  expect(JSON.parse(response.text)).toMatchObject({ error: { message: "This port is being closed." } });
  expect(response.get("connection")).toBe("close");
  expect(await within(client.ending, "the connection ends")).toBe("fin");
  expect(wire.upstream.requests.map(({ path }) => path)).toEqual(["/first"]);
});

/** Names the listener in a header of each answer. */
function named(name: string): Plugin {
  return hooks({ upstreamResponse: (_x, head) => void (head.headers["x-listener"] = name) }, "named");
}

test("a kept connection of a listener that a reload moved is served once more, by what the listener is now", async () => {
  const wire = await openPorts({ extra: { port: 0, plugins: [named("before")] } });
  const client = await keptClient(wire, "extra");
  await reload(wire, { extra: { port: 0, host: "localhost", plugins: [named("after")] } });
  await client.send(get("/second"));
  const response = await within(client.response(), "the answer");
  expect(response).toMatchObject({ status: 200, text: "/second" });
  expect(response.get("x-listener")).toBe("after");
  expect(response.get("connection")).toBe("close");
  expect(await within(client.ending, "the connection ends")).toBe("fin");
});

test("two listeners swap their ports in a reload, and neither has to wait for its own", async () => {
  const one = { plugins: [named("one")] };
  const two = { plugins: [named("two")] };
  const wire = await openPorts({ one: { port: 0, ...one }, two: { port: 0, ...two } });
  const [first, second] = [portOf(wire, "one"), portOf(wire, "two")];
  const kept = await keptClient(wire, "one");
  await reload(wire, { one: { port: second, ...one }, two: { port: first, ...two } });
  const states = new Set<ListenerState>();
  await eventually(() => {
    const found = new Map(wire.proxy.listeners().map((listener) => [listener.name, listener]));
    for (const { state } of found.values()) states.add(state);
    expect(found.get("one")).toMatchObject({ port: second, state: "open" });
    expect(found.get("two")).toMatchObject({ port: first, state: "open" });
  });
  // It would show for a second, after which a busy port is tried again.
  expect(states).not.toContain("waiting");
  for (const [port, name] of [
    [first, "two"],
    [second, "one"],
  ] as const) {
    const client = await clientOf(port);
    await client.send(get("/new"));
    expect((await client.response()).get("x-listener")).toBe(name);
  }
  await kept.send(get("/kept"));
  expect((await kept.response()).get("x-listener")).toBe("one");
});
