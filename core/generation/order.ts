import { configError } from "../config/config-error.ts";
import type { HookName } from "../contract/hooks.ts";

export interface Ordered {
  readonly plugin: string;
  /** Place in the config. */
  readonly index: number;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/**
 * Stable topological sort: config order, bent only as far as `before` and `after` demand. Names of plugins that
 * take no part in the phase are ignored.
 */
export function order<T extends Ordered>(phase: HookName, hooks: readonly T[]): T[] {
  const waiting = [...hooks];
  const sorted: T[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex((hook) => !waiting.some((other) => other !== hook && precedes(other, hook)));
    if (next === -1) throw cycle(phase, waiting);
    sorted.push(...waiting.splice(next, 1));
  }
  return sorted;
}

function precedes(a: Ordered, b: Ordered): boolean {
  return a.plugin !== b.plugin && (b.after.includes(a.plugin) || a.before.includes(b.plugin));
}

function cycle(phase: HookName, waiting: readonly Ordered[]): Error {
  // Follow predecessors until one repeats: what remains in `waiting` may also hang behind the cycle.
  const seen: Ordered[] = [];
  let at = waiting[0];
  while (at !== undefined && !seen.includes(at)) {
    seen.push(at);
    const current: Ordered = at;
    at = waiting.find((other) => other !== current && precedes(other, current));
  }
  const loop = at === undefined ? seen : seen.slice(seen.indexOf(at));
  const names = [...loop.map((hook) => hook.plugin), loop[0]?.plugin].toReversed().join(" before ");
  const first = loop[0];
  return configError(
    first?.plugin ?? "",
    first?.index ?? -1,
    `hooks of phase "${phase}" wait for each other: ${names}`,
    "remove one before/after",
  );
}
