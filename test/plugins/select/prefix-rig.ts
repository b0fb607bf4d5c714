import type { Exchange, Plugin, Selector, Target } from "plugboard";
import { prefix, type PrefixOptions } from "plugboard/plugins/select/prefix";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { fakePool, type FakePool, type FakeTarget, fakeTargets } from "plugboard/testing";
import { loadPlugins, seededState } from "../../../core/testing/plugin.ts";
import { posting } from "./select-bodies.ts";

/** A name over and over. */
export const long = (name: string, bytes = 2_000): string => `${name} `.repeat(bytes / (name.length + 1));

/** A prefix selector in front of so many targets, which goes round among them with what nobody has seen. */
export async function fresh(
  count: number,
  options: PrefixOptions = {},
  fields: Parameters<typeof fakeTargets>[1] = {},
  state = seededState(),
): Promise<{ targets: readonly FakeTarget[]; pool: FakePool; selector: Selector }> {
  const targets = fakeTargets(count, fields);
  const pool = fakePool(targets);
  return { targets, pool, selector: await make(options, pool, state) };
}

export async function make(options: PrefixOptions, pool: FakePool, state = seededState()): Promise<Selector> {
  const plugin: Plugin = prefix({ inner: roundRobin(), ...options });
  const { registry } = await loadPlugins([plugin], state);
  return registry.root.services.all("selector").get("prefix")?.create(pool, "route") as Selector;
}

export function messages(...texts: readonly string[]): readonly unknown[] {
  return texts.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));
}

/** A chat of the user's and the assistant's texts in turn. */
export function chat(...texts: readonly string[]): Exchange {
  return posting({ model: "m", messages: messages(...texts) });
}

/** An attempt begins there. */
export function send(selector: Selector, target: Target | undefined, x: Exchange): void {
  selector.attemptStart?.(target as Target, x);
}

export function load(targets: readonly FakeTarget[], loads: readonly number[]): void {
  for (const [index, { live }] of targets.entries()) live.inflight = loads[index] ?? 0;
}
