import assert from "node:assert/strict";
import { connect } from "node:net";
import type { Proxy } from "../contract/proxy.ts";
import type { TargetSpec } from "../contract/target.ts";
import type { Plugin, PluginInstance } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import { fakeSink } from "./discovery.ts";
import { servicesOf } from "./plugin.ts";

/** A proxy with the mock under test, and ways to talk to it. */
export interface Mocked {
  readonly proxy: Proxy;
  readonly model: string;
  /** Target ids and origins of the newest generation. */
  readonly targets: () => { readonly id: string; readonly origin: string }[];
  readonly get: (path: string) => Promise<Response>;
  readonly post: (path: string, body: object | string) => Promise<Response>;
}

export async function withMock(create: () => Plugin, use: (mock: Mocked) => Promise<void>): Promise<void> {
  const proxy = await createProxy(() => ({ plugins: [create()] }));
  const get = (path: string): Promise<Response> => proxy.fetch(new Request(`http://proxy${path}`));
  try {
    const { data } = await json<{ data: { id: string }[] }>(await get("/v1/models"), 200);
    await use({
      proxy,
      get,
      model: data[0]?.id ?? assert.fail("the mock lists no model"),
      targets: () => proxy.pools().flatMap((pool) => pool.snapshot.all.map(({ id, origin }) => ({ id, origin }))),
      post: (path, body) => {
        const text = typeof body === "string" ? body : JSON.stringify(body);
        const headers = { "content-type": "application/json" };
        return proxy.fetch(new Request(`http://proxy${path}`, { method: "POST", headers, body: text }));
      },
    });
  } finally {
    await proxy.close({ deadline: 0 });
  }
}

/** What `plugboard check` and `explain` do with it: setup, and the start of its discovery. */
export async function startInCheckMode(plugin: Plugin): Promise<readonly TargetSpec[]> {
  const sink = fakeSink();
  const { signal } = new AbortController();
  const services = await servicesOf("discovery", [inCheckMode(plugin)]);
  for (const discovery of services.values()) await discovery.start(sink, signal);
  return [...sink.targets.values()];
}

function inCheckMode(plugin: Plugin): Plugin {
  assert.ok(isInstance(plugin), "create() must give what a factory of definePlugin gives");
  const { definition } = plugin;
  const setup: typeof definition.setup = (proxy, options) => definition.setup({ ...proxy, mode: "check" }, options);
  return Object.assign({}, plugin, { definition: { ...definition, setup } });
}

function isInstance(plugin: Plugin): plugin is Plugin & PluginInstance {
  return "definition" in plugin;
}

export function countServers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "TCPServerWrap").length;
}

export function isListening(origin: string): Promise<boolean> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** A generation is closed some turns of the event loop after its last exchange. */
export async function isClosedSoon(origin: string): Promise<boolean> {
  const deadline = performance.now() + 1_000;
  while (await isListening(origin)) if (performance.now() > deadline) return false;
  return true;
}

export async function json<T>(response: Response, status: number): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  const value: T = JSON.parse(text);
  return value;
}
