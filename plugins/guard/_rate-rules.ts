import { hash } from "node:crypto";
import * as v from "valibot";
import type { Exchange } from "../../core/index.ts";
import type { Client } from "./_client.ts";
import { namesMatcher } from "./_names.ts";

/** Who shares a limit. */
export type RateLimitBy =
  | "client"
  | "ip"
  | "route"
  | "all"
  | { readonly header: string }
  | ((x: Exchange) => string | undefined);

export interface RateLimitRule {
  /** Requests in a window. @default no limit */
  requests?: number;
  /** Tokens in a window, of prompts and answers. @default no limit */
  tokens?: number;
  /** Requests under way at once, in this process. @default no limit */
  concurrent?: number;
  /** Milliseconds of a window. @default 60000 */
  per?: number;
  /**
   * Who is counted together: a client that `keys` named, or else its address; an address, of IPv6 its /64; a route; all;
   * those with one value of a header, or without it; or what a function returns, undefined for whom it is not meant.
   * @default "client"
   */
  by?: RateLimitBy;
  /** For these models only, by their names or aliases; `gpt-*` is all that begin so. @default all */
  models?: readonly string[];
  /** Tells rules apart; a key's `limits` are then called `<name>.requests` and so on. @default what it is `by` */
  name?: string;
}

/** A rule as it is applied. */
export interface Rule {
  readonly name: string;
  readonly per: number;
  /** Only when the route is known. */
  readonly late: boolean;
  most(x: Exchange, what: RateLimited): number | undefined;
  /** Undefined: it is not meant for this one. */
  keyOf(x: Exchange): string | undefined;
}

export type RateLimited = "requests" | "tokens" | "concurrent";

const count = v.pipe(
  v.number(),
  v.integer("Expected a whole number"),
  v.minValue(0, "Expected 0 or more"),
  v.maxValue(1e12, "Expected at most 1e12"),
);

const by: v.GenericSchema<RateLimitBy> = v.union(
  [
    v.picklist(["client", "ip", "route", "all"]),
    v.strictObject({
      header: v.pipe(v.string(), v.toLowerCase(), v.regex(/^[a-z0-9-]+$/, "Expected the name of a header")),
    }),
    v.custom<(x: Exchange) => string | undefined>((value) => typeof value === "function"),
  ],
  'Expected "client", "ip", "route", "all", { header: "x-user-id" } or a function of the exchange',
);

const day = 86_400_000;

type RuleEntries = {
  readonly [K in keyof RateLimitRule]-?: v.OptionalSchema<
    v.GenericSchema<Exclude<RateLimitRule[K], undefined>>,
    undefined
  >;
};

export const ruleEntries: RuleEntries = {
  requests: v.optional(count),
  tokens: v.optional(count),
  concurrent: v.optional(count),
  per: v.optional(
    v.pipe(
      v.number(),
      v.integer("Expected whole milliseconds"),
      v.minValue(1_000, "Expected at least 1000 ms"),
      v.maxValue(31 * day, "Expected at most 31 days"),
    ),
  ),
  by: v.optional(by),
  models: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^(?:[^*]+\*?|\*)$/, 'Expected a name, with "*" at its end only'))),
      v.minLength(1, "Expected at least one model"),
    ),
  ),
  name: v.optional(v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/, "Expected letters, digits, - and _"))),
};

/** A key's limits may give a rule by client what it has not. */
export function limitsSomething({ requests, tokens, concurrent, by: who = "client" }: RateLimitRule): boolean {
  return who === "client" || (requests ?? tokens ?? concurrent) !== undefined;
}

export function ruleName({ name, by: who = "client" }: RateLimitRule): string {
  if (name !== undefined) return name;
  if (typeof who === "function") return "custom";
  return typeof who === "string" ? who : who.header;
}

export function toRule(rule: RateLimitRule, clientOf: (x: Exchange) => Client | undefined): Rule {
  const { by: who = "client", models, per = 60_000 } = rule;
  const allows = models && namesMatcher(models);
  const keyOf = toKeyOf(who, clientOf);
  const prefix = rule.name === undefined ? "" : `${rule.name}.`;
  return {
    name: ruleName(rule),
    per,
    late: who === "route" || models !== undefined,
    most(x, what) {
      const own = who === "client" ? clientOf(x)?.limits?.[prefix + what] : undefined;
      return own === undefined ? rule[what] : Math.floor(own);
    },
    keyOf: (x) => (allows === undefined || isMeant(x, allows) ? keyOf(x) : undefined),
  };
}

function isMeant({ model, route }: Exchange, allows: (model: string) => boolean): boolean {
  if (model !== undefined && allows(model)) return true;
  return route?.alias !== undefined && allows(route.alias);
}

function toKeyOf(who: RateLimitBy, clientOf: (x: Exchange) => Client | undefined): Rule["keyOf"] {
  if (typeof who === "function") return (x) => checked(who(x));
  // A header may be a secret, and keys can be seen in Redis.
  if (typeof who === "object") return (x) => hashed(String(x.headers[who.header] ?? ""));
  if (who === "route") return (x) => shortened(x.route?.name ?? "");
  if (who === "all") return () => "";
  if (who === "ip") return (x) => networkOf(x.ip);
  return (x) => {
    const client = clientOf(x);
    return client === undefined ? networkOf(x.ip) : shortened(`client ${client.name}`);
  };
}

const longest = 160;

function shortened(key: string): string {
  return key.length > longest ? hashed(key) : key;
}

/** A config in JavaScript may return anything. */
function checked(key: unknown): string | undefined {
  if (typeof key === "string") return shortened(key);
  if (key === undefined) return undefined;
  throw new TypeError(`by returned a value of type ${typeof key}; it has to return a string or undefined`);
}

function hashed(text: string): string {
  return hash("sha256", text, "base64url");
}

/** IPv6 is given out by the /64 at least: whoever has one has as many addresses as they like. */
export function networkOf(address: string | undefined): string {
  if (address === undefined || !address.includes(":")) return address ?? "";
  const [bare = ""] = address.split("%", 1);
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (dotted !== undefined) return dotted;
  const groups = groupsOf(bare);
  if (groups.slice(0, 6).join(":") !== "0:0:0:0:0:65535") return `${groups.slice(0, 4).map(toHex).join(":")}::/64`;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join(".");
}

function toHex(group: number): string {
  return group.toString(16);
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [front = [], back] = address.split("::").map((half) => half.split(":").filter((group) => group !== ""));
  const missing = back === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  return [...front, ...Array<string>(missing).fill("0"), ...(back ?? [])].map((group) => Number.parseInt(group, 16));
}
