import { defineSelector, type Plugin, type Pool, type Selector, type SelectorTools, type Target } from "plugboard";

/** A factory of a selector that is not as it should be. */
export function selector(create: (pool: Pool, tools: SelectorTools) => Selector): () => Plugin {
  return defineSelector({ name: "broken", create: (pool, _options, tools) => create(pool, tools) });
}

/** The first target that has a weight, or the first. */
export function weighted(targets: readonly Target[]): Target | undefined {
  return targets.find(({ weight }) => weight > 0) ?? targets[0];
}

/** Those that have a weight, or all. */
export function withWeight(targets: readonly Target[]): readonly Target[] {
  const some = targets.filter(({ weight }) => weight > 0);
  return some.length > 0 ? some : targets;
}

/** The first of those of which a number is lowest; never one without a weight while another has one. */
export function lowest(targets: readonly Target[], numberOf: (target: Target) => number): Target {
  return withWeight(targets).reduce((a, b) => (numberOf(b) < numberOf(a) ? b : a));
}

/** What tells faces of one target apart. */
export function faceOf({ id, model }: Target): string {
  return `${id} ${model ?? ""}`;
}

/** FNV-1a with an avalanche at the end, as a number in (0, 1). */
export function hash(text: string): number {
  let mixed = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (((mixed ^ (mixed >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}
