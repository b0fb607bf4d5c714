import * as v from "valibot";
import {
  defineSelector,
  type Exchange,
  type Plugin,
  type Score,
  type Selector,
  type Slot,
  type Target,
} from "../../core/index.ts";
import { explainBy, innerSchema, withInner } from "./_inner-selector.ts";
import { ofList } from "./_of-list.ts";
import { textSize } from "./_text-size.ts";
import { roundRobin } from "./round-robin.ts";

export interface SizeOptions {
  /** Bytes of text up to which a request is small. @default 51200 */
  threshold?: number;
  /** What the label says of targets for small requests. @default "paged" */
  small?: string;
  /** What it says of those for large ones. @default "static" */
  large?: string;
  /** The label; where a target has none of that name, what stands in its meta. @default "cache_type" */
  label?: string;
  /** Picks among the targets for the request's size. @default roundRobin() */
  inner?: Plugin;
  /** Pick none rather than one of all when no target is for the size, so that `fallback` goes on. @default false */
  strict?: boolean;
}

type Options = Required<SizeOptions>;

const word = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));

const entries = {
  threshold: v.optional(v.pipe(v.number(), v.minValue(0, "Expected bytes, 0 or more")), 51_200),
  small: v.optional(word, "paged"),
  large: v.optional(word, "static"),
  label: v.optional(word, "cache_type"),
  inner: innerSchema,
  strict: v.optional(v.boolean(), false),
} satisfies Record<keyof SizeOptions, unknown>;

const schema: v.GenericSchema<SizeOptions, Options> = v.strictObject(entries);

/** A list sorted by what its targets are for; undefined: none is. */
interface Sorted {
  readonly small: readonly Target[] | undefined;
  readonly large: readonly Target[] | undefined;
}

const define = defineSelector({
  name: "size",
  options: schema,
  needsBody: () => true,
  create(_pool, options, tools) {
    const inner = (): Selector => tools.inner(options.inner);
    // One for each kind of list: one for all would start anew with every pick.
    const inners = { small: inner(), large: inner(), any: inner() };
    const kindOf = createSizing(options.threshold, tools.slot("text-size"));
    const sortedOf = ofList((targets) => sort(targets, options));

    /** The one that picked it: where any target is picked, none is for the size. */
    function innerOf(target: Target, x: Exchange): Selector {
      const kind = kindOf(x);
      return inners[tagOf(target, options.label) === options[kind] ? kind : "any"];
    }

    return {
      pick(targets, x) {
        const kind = kindOf(x);
        const list = sortedOf(targets)[kind];
        if (list !== undefined) return inners[kind].pick(list, x);
        return options.strict ? undefined : inners.any.pick(targets, x);
      },
      update(snapshot) {
        for (const each of Object.values(inners)) each.update?.(snapshot);
      },
      attemptStart: (target, x) => innerOf(target, x).attemptStart?.(target, x),
      attemptEnd: (target, outcome, x) => innerOf(target, x).attemptEnd?.(target, outcome, x),
      explain(targets, x) {
        const kind = kindOf(x);
        const list = sortedOf(targets)[kind];
        if (list !== undefined) return explainSome(inners[kind], { targets, list, x, kind, options });
        const why = `a ${kind} request, and no target has ${options.label} "${options[kind]}"`;
        return options.strict
          ? targets.map(({ id }) => ({ id, score: 0, note: why }))
          : explainBy(inners.any, targets, x, why);
      },
    };
  },
});

/**
 * Sends requests with little text and with much to targets labelled for it.
 *
 * For upstreams set up for long or for short prompts, as InfiniLM's static and paged caches. Counted are the bytes of
 * UTF-8 in the texts of `messages`, or of `prompt`; a body no longer than the threshold is not even parsed. When no
 * target is labelled for the size it picks from all, or none if it is `strict`, as in `fallback(size({ strict: true }),
 * session())`, which is InfiniLM's order. It looks at the prompt alone: for upstreams that are alike it is a waste.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({
 *       targets: [
 *         { url: "http://127.0.0.1:8001", labels: { cache_type: "paged" } },
 *         { url: "http://127.0.0.1:8002", labels: { cache_type: "static" } },
 *       ],
 *     }),
 *     size({ threshold: 51_200 }),
 *   ],
 * });
 */
export const size: (options?: SizeOptions) => Plugin = (options = {}) => define(withInner(options, roundRobin));

/** Measures each request once, for all plugins that share the slot. */
function createSizing(threshold: number, sizes: Slot<number>): (x: Exchange) => keyof Sorted {
  return (x) => {
    // The text is never longer than the JSON around it.
    if (x.body === undefined || x.body.length <= threshold) return "small";
    let bytes = sizes.get(x);
    if (bytes === undefined) sizes.set(x, (bytes = textSize(x.json())));
    return bytes > threshold ? "large" : "small";
  };
}

function sort(targets: readonly Target[], { label, small, large }: Options): Sorted {
  const some = targets.some(({ weight }) => weight > 0);
  const labelled = (tag: string): readonly Target[] | undefined => {
    const list = targets.filter((target) => tagOf(target, label) === tag && (target.weight > 0 || !some));
    return list.length === 0 ? undefined : Object.freeze(list);
  };
  return { small: labelled(small), large: labelled(large) };
}

function tagOf({ labels, meta }: Target, label: string): unknown {
  if (Object.hasOwn(labels, label)) return labels[label];
  return Object.hasOwn(meta, label) ? meta[label] : undefined;
}

interface Choice {
  readonly targets: readonly Target[];
  /** Those for the size. */
  readonly list: readonly Target[];
  readonly x: Exchange;
  readonly kind: keyof Sorted;
  readonly options: Options;
}

function explainSome(inner: Selector, { targets, list, x, kind, options }: Choice): readonly Score[] {
  const scores = explainBy(inner, list, x, `a ${kind} request`);
  const places = new Map(list.map((target, place) => [target, place]));
  return targets.map((target) => {
    const place = places.get(target);
    if (place !== undefined) return scores[place]!;
    const note = `a ${kind} request: ${whyNot(target, options, kind)}`;
    return { id: target.id, score: 0, note };
  });
}

function whyNot(target: Target, options: Options, kind: keyof Sorted): string {
  const tag = tagOf(target, options.label);
  if (tag === options[kind]) return "weight 0, passed over";
  return tag === undefined ? `has no ${options.label}` : `${options.label} is ${JSON.stringify(tag)}`;
}
