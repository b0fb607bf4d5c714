import type { Exchange, Target } from "../../core/index.ts";
import { bytesPerToken, promptBytes, type TokenOptions } from "./_tokens.ts";

/** Prices of prompts up to a length, in dollars per million tokens; all fields given. */
interface Tier {
  readonly upTo: number;
  readonly input: number;
  readonly output: number;
  readonly request: number;
}

/** What requests cost at each target. */
export interface Prices {
  /** Dollars of a request at each target, at its index. One without a price counts as the dearest, all without as 1. */
  read(targets: readonly Target[], x: Exchange, into: Float64Array): void;
  /** Requests for a dollar; of those that are for free as many as a millionth of it buys. */
  readPerDollar(targets: readonly Target[], x: Exchange, into: Float64Array): void;
  /** Whether its price is known. */
  has(target: Target, x: Exchange): boolean;
}

/** Dollars that a request counts as at least where prices are divided by: free ones have to stay finite. */
const leastDollars = 1e-6;

/** Models whose price lists are kept per list of targets: a client names what model it likes. */
const mostModels = 16;

/** The price lists of the targets, each once: of thousands of targets few differ in price. */
interface PriceList {
  /** For each target, which of them is its own. */
  readonly ownOf: Uint32Array;
  /** The first tier of each list, figure by figure, for that is read faster; NaN for those without a price. */
  readonly perToken: Float64Array;
  /** Dollars beside those for each token of the prompt. */
  readonly rest: Float64Array;
  /** Those that have more than one. */
  readonly tiered: readonly Tiered[];
  /** How many are prices. */
  readonly known: number;
  /** Dollars by each, of the request that was asked about last. */
  readonly dollars: Float64Array;
}

/** A price list of several tiers, figure by figure. */
interface Tiered {
  /** Of the price list. */
  readonly index: number;
  readonly upTo: Float64Array;
  readonly perToken: Float64Array;
  readonly rest: Float64Array;
}

/** Makes prices that are read from `meta` once for each list and model. */
export function createPrices({ inputTokens, outputTokens: completion }: TokenOptions): Prices {
  let list: readonly Target[] | undefined;
  /** By model; "" when the targets' prices do not depend on the one that the request names. */
  const kept = new Map<string, PriceList>();
  let varies = false;
  /** Tokens of the one that was asked about last. One number, which as a parameter would be in a box. */
  const prompt = new Float64Array(1);

  function align(targets: readonly Target[], x: Exchange): PriceList {
    // A list made for a retry must not take the place of the one that is kept.
    if (targets !== list && x.tried.length > 0) return toPriceList(targets, x.model, completion);
    if (targets !== list) {
      list = targets;
      varies = targets.some(({ model, meta }) => model === undefined && meta.prices !== undefined);
      kept.clear();
    }
    const model = varies ? (x.model ?? "") : "";
    let prices = kept.get(model);
    if (prices === undefined) {
      prices = toPriceList(targets, x.model, completion);
      if (kept.size >= mostModels) kept.clear();
      kept.set(model, prices);
    }
    return prices;
  }

  function ask(targets: readonly Target[], x: Exchange): PriceList {
    const prices = align(targets, x);
    const bytes = promptBytes(x);
    if (bytes === -1) prompt[0] = inputTokens;
    else prompt[0] = bytes / bytesPerToken;
    writeDollars(prices, prompt);
    return prices;
  }

  return {
    read: (targets, x, into) => spread(ask(targets, x), into),
    readPerDollar(targets, x, into) {
      const prices = ask(targets, x);
      const { dollars } = prices;
      for (let i = 0; i < dollars.length; i++) {
        if (dollars[i]! < leastDollars) dollars[i] = leastDollars;
        dollars[i] = 1 / dollars[i]!;
      }
      spread(prices, into);
    },
    has: (target, x) => tiersOf(target, x.model) !== undefined,
  };
}

function toPriceList(targets: readonly Target[], model: string | undefined, completion: number): PriceList {
  const indexes = new Map<string, number>();
  const lists: (readonly Tier[] | undefined)[] = [];
  const ownOf = Uint32Array.from(targets, (target) => {
    const tiers = tiersOf(target, model);
    const key = JSON.stringify(tiers) ?? "";
    let index = indexes.get(key);
    if (index === undefined) indexes.set(key, (index = lists.push(tiers) - 1));
    return index;
  });
  const column = (figure: (tier: Tier) => number): Float64Array =>
    Float64Array.from(lists, (tiers) => (tiers === undefined ? NaN : figure(tiers[0] as Tier)));
  return {
    ownOf,
    perToken: column(toPerToken),
    rest: column((tier) => toRest(tier, completion)),
    tiered: lists.flatMap((tiers, index) =>
      tiers !== undefined && tiers.length > 1 ? toTiered(tiers, index, completion) : [],
    ),
    known: lists.filter((tiers) => tiers !== undefined).length,
    dollars: new Float64Array(lists.length),
  };
}

function toTiered(tiers: readonly Tier[], index: number, completion: number): Tiered {
  return {
    index,
    upTo: Float64Array.from(tiers, ({ upTo }) => upTo),
    perToken: Float64Array.from(tiers, toPerToken),
    rest: Float64Array.from(tiers, (tier) => toRest(tier, completion)),
  };
}

function writeDollars({ perToken, rest, tiered, known, dollars }: PriceList, tokens: Float64Array): void {
  if (known === 0) return void dollars.fill(1);
  const prompt = tokens[0]!;
  for (let i = 0; i < dollars.length; i++) dollars[i] = prompt * perToken[i]! + rest[i]!;
  for (let i = 0; i < tiered.length; i++) {
    const tiers = tiered[i]!;
    let tier = 0;
    while (tier < tiers.upTo.length - 1 && prompt > tiers.upTo[tier]!) tier++;
    dollars[tiers.index] = prompt * tiers.perToken[tier]! + tiers.rest[tier]!;
  }
  if (known < dollars.length) fillUnknown(dollars);
}

function spread({ ownOf, dollars }: PriceList, into: Float64Array): void {
  for (let i = 0; i < ownOf.length; i++) into[i] = dollars[ownOf[i]!]!;
}

function toPerToken({ input }: Tier): number {
  return input / 1e6;
}

function toRest({ output, request }: Tier, completion: number): number {
  return (completion * output) / 1e6 + request;
}

/** NaN, which is neither more nor less than anything, becomes the dearest. */
function fillUnknown(dollars: Float64Array): void {
  let dearest = -1;
  for (let i = 0; i < dollars.length; i++) if (dollars[i]! > dearest) dearest = dollars[i]!;
  for (let i = 0; i < dollars.length; i++) if (Number.isNaN(dollars[i]!)) dollars[i] = dearest;
}

/** By the price for the model in `meta.prices`, else by `meta.price`. A price that is none is not made up for by another. */
function tiersOf({ model, meta }: Target, asked: string | undefined): readonly Tier[] | undefined {
  const { prices, price } = meta;
  const name = model ?? asked;
  if (isFields(prices) && name !== undefined && Object.hasOwn(prices, name)) return toTiers(prices[name]);
  return toTiers(price);
}

/** Checks a price, for it may come from anywhere: undefined when it has not the shape of `Price` or a figure is no sum. */
export function toTiers(price: unknown): readonly Tier[] | undefined {
  if (isSum(price)) return [{ upTo: Infinity, input: price, output: price, request: 0 }];
  if (!Array.isArray(price)) return toTiers([price]);
  const tiers = price.map(toTier);
  return tiers.length > 0 && tiers.every((tier) => tier !== undefined) ? tiers : undefined;
}

function toTier(price: unknown): Tier | undefined {
  if (!isFields(price)) return undefined;
  const { upTo = Infinity, input, output, request = 0 } = price;
  if (!isSum(input) || !isSum(output) || !isSum(request)) return undefined;
  return typeof upTo === "number" && upTo > 0 ? { upTo, input, output, request } : undefined;
}

function isSum(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
