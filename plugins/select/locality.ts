import * as v from "valibot";
import { defineSelector, type Plugin } from "../../core/index.ts";
import { innerSchema, withInner } from "./_inner-selector.ts";
import { createTiers, labelOf, labelSchema, maxInflightSchema } from "./_tiers.ts";
import { leastConnections } from "./least-connections.ts";

export interface LocalityOptions {
  /** Where targets should be, the best first; all other places come after. */
  prefer: string | readonly string[];
  /** The label, or where there is none the meta field, that says where a target is. @default "zone" */
  label?: string;
  /** Picks among the targets of one place. @default leastConnections() */
  inner?: Plugin;
  /** Attempts under way, for each unit of weight, from which on a target has no room. @default no limit */
  maxInflight?: number;
}

const places = "Expected the name of a place, or a list of them";

const entries = {
  prefer: v.union(
    [v.pipe(v.string(places), v.nonEmpty(places)), v.pipe(v.array(v.string(places)), v.minLength(1, places))],
    places,
  ),
  label: v.optional(labelSchema, "zone"),
  inner: innerSchema,
  maxInflight: maxInflightSchema,
} satisfies Record<keyof LocalityOptions, unknown>;

type Options = Required<Omit<LocalityOptions, "maxInflight">> & Pick<LocalityOptions, "maxInflight">;

const schema: v.GenericSchema<LocalityOptions, Options> = v.strictObject(entries);

const define = defineSelector({
  name: "locality",
  options: schema,
  create(pool, { prefer, label, inner, maxInflight = Infinity }, tools) {
    const order = [prefer].flat();
    const ranks = new Map<unknown, number>(order.map((place, rank) => [place, rank]));
    return createTiers(pool, {
      inner: () => tools.inner(inner),
      maxInflight,
      rankOf: (target) => ranks.get(labelOf(target, label)) ?? order.length,
      nameOf: (rank) => (rank < order.length ? `${label} ${order[rank]}` : `another ${label}`),
    });
  },
});

/**
 * Uses targets of the preferred places first, others only when those fail.
 *
 * For upstreams in several zones or regions, where the way there costs time or money: targets say
 * `labels: { zone: "a" }`. The places come one after the other in the order of `prefer`, then all others together. The
 * next takes over when every target before it is down, was tried, has as many attempts under way as its
 * `maxConcurrency` allows, or, with `maxInflight`, when every one of them has `maxInflight * weight` or more. Among the
 * targets of one place `inner` decides. Not where the places are much alike: those that are not preferred stand idle.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({
 *       targets: [
 *         { url: "http://10.1.0.1:8000", labels: { zone: "a" } },
 *         { url: "http://10.2.0.1:8000", labels: { zone: "b" } },
 *       ],
 *     }),
 *     locality({ prefer: "a" }),
 *   ],
 * });
 */
export const locality: (options: LocalityOptions) => Plugin = (options) => define(withInner(options, leastConnections));
