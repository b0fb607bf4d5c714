import { defineSelector, type Plugin, type Target } from "../../core/index.ts";

/**
 * Picks the first target of the list; the others stand by in their order.
 *
 * For a main target with spares: core drops from the list what is down and what this request has tried, so the next in
 * order takes over by itself. One of weight 0 is passed over. It spreads no load.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), inOrder()] });
 */
export const inOrder: () => Plugin = defineSelector({
  name: "in-order",
  create: () => ({
    pick: first,
    explain(targets) {
      const head = first(targets);
      return targets.map((target, place) => ({
        id: target.id,
        score: target === head || target.weight > 0 ? targets.length - place : 0,
        note:
          target === head ? "the first in order" : target.weight > 0 ? `number ${place + 1}` : "weight 0: passed over",
      }));
    },
  }),
});

function first(targets: readonly Target[]): Target | undefined {
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i] as Target;
    if (target.weight > 0) return target;
  }
  return targets[0];
}
