import assert from "node:assert/strict";
import type { Awaitable, Discovery } from "../contract/services.ts";
import { Generation } from "../generation/generation.ts";
import type { Plugin } from "../plugin.ts";
import { idleStatus } from "../proxy-state.ts";
import { seededState, servicesOf } from "./plugin.ts";

type Law = (discovery: Discovery, signal: AbortSignal) => Awaitable<void>;

/** Gives the discovery service that a plugin provides, not started. */
export async function discoveryOf(plugin: Plugin): Promise<Discovery> {
  return only(await servicesOf("discovery", [plugin]), plugin);
}

/** Sets the plugin up as a proxy that serves does, and closes it whatever the law says. */
export async function withDiscovery(create: () => Awaitable<Plugin>, law: Law): Promise<void> {
  const plugin = await create();
  const state = seededState();
  const options = { number: 1, mode: "serve", status: idleStatus } as const;
  const generation = await Generation.load({ plugins: [plugin] }, state, options);
  const stop = new AbortController();
  try {
    await law(only(generation.registry.root.services.all("discovery"), plugin), stop.signal);
  } finally {
    stop.abort();
    await generation.close();
    await state.ledger.close();
  }
}

function only(services: ReadonlyMap<string, Discovery>, plugin: Plugin): Discovery {
  const [service] = services.values();
  assert.ok(service, `plugin "${plugin.name}" provides no discovery`);
  return service;
}

/** Turns of the event loop: long enough for what was on its way, without a clock. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setImmediate(resolve));
}
