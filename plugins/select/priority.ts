import * as v from "valibot";
import { defineSelector, type Plugin } from "../../core/index.ts";
import { innerSchema, withInner } from "./_inner-selector.ts";
import { createTiers, labelOf, labelSchema, maxInflightSchema } from "./_tiers.ts";
import { leastConnections } from "./least-connections.ts";

export interface PriorityOptions {
  /** Picks among the targets of one priority. @default leastConnections() */
  inner?: Plugin;
  /** The label, or where there is none the meta field, that holds the number. @default "priority" */
  label?: string;
  /** Attempts under way, for each unit of weight, from which on a target has no room. @default no limit */
  maxInflight?: number;
}

const entries = {
  inner: innerSchema,
  label: v.optional(labelSchema, "priority"),
  maxInflight: maxInflightSchema,
} satisfies Record<keyof PriorityOptions, unknown>;

type Options = Required<Omit<PriorityOptions, "maxInflight">> & Pick<PriorityOptions, "maxInflight">;

const schema: v.GenericSchema<PriorityOptions, Options> = v.strictObject(entries);

const define = defineSelector({
  name: "priority",
  options: schema,
  create: (pool, { inner, label, maxInflight = Infinity }, tools) =>
    createTiers(pool, {
      inner: () => tools.inner(inner),
      maxInflight,
      rankOf: (target) => toNumber(labelOf(target, label)),
      nameOf: (rank) => (rank === Infinity ? `${label} is no number, comes last` : `${label} ${rank}`),
    }),
});

/**
 * Uses targets with the lowest priority number, the next only when those fail.
 *
 * For "local first, then the cloud": targets say `labels: { priority: "1" }`; without it they have 0, and what is no
 * number comes last. The next number takes over when every target before it is down, was tried, has as many attempts
 * under way as its `maxConcurrency` allows, or, with `maxInflight`, when every one of them has `maxInflight * weight` or
 * more; when all are that full, the first number takes what comes. Among the targets of one number `inner` decides. Not
 * for sharing the load between numbers: as long as the first has room, the others get nothing.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({
 *       targets: ["http://127.0.0.1:8001", { url: "https://cloud.example", labels: { priority: "1" } }],
 *     }),
 *     priority({ maxInflight: 8 }),
 *   ],
 * });
 */
export const priority: (options?: PriorityOptions) => Plugin = (options = {}) =>
  define(withInner(options, leastConnections));

/** Nothing is 0; what is no finite number is last. */
function toNumber(value: unknown): number {
  if (value === undefined) return 0;
  const text = typeof value === "number" || typeof value === "string" ? String(value).trim() : "";
  const number = text === "" ? Infinity : Number(text);
  return Number.isFinite(number) ? number : Infinity;
}
