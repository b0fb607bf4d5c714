import type { Exchange, Route } from "../../core/index.ts";
import { readAsked } from "./_disaggregate-body.ts";
import { isPlainJson } from "./_disaggregate-client.ts";
import { createPlan, type Plan } from "./_disaggregate-plan.ts";
import type { Pair, Partition, Protocol, Workers } from "./_disaggregate-workers.ts";

const openai: readonly string[] = ["/v1/chat/completions", "/v1/completions"];

/** Where the engines take two phases. */
const paths: Readonly<Record<Protocol, ReadonlySet<string>>> = {
  nixl: new Set([...openai, "/v1/messages", "/v1/responses", "/inference/v1/generate"]),
  sglang: new Set([...openai, "/generate"]),
};

/** Undefined for a request that is none of two phases, whatever its targets are. */
export function decide(x: Exchange, route: Route, workers: Workers, trust: boolean): Plan | undefined {
  const able = pairsFor(x.path, workers.partition(route.candidates()));
  const [any] = able;
  if (any === undefined || x.body === undefined || !isPlainJson(x)) return undefined;
  const asked = readAsked(x.body);
  if (asked === undefined) return undefined;
  if (trust && asked.handle) return createPlan(any.protocol, any.key, asked, "brought");
  const pair = choose(x, route, able.filter(isWhole));
  if (pair !== undefined) return createPlan(pair.protocol, pair.key, asked, "two");
  x.notes?.push("disaggregate: no pair of prefill and decode targets is available, so it is served in one phase");
  return createPlan(any.protocol, any.key, asked, "one");
}

function pairsFor(path: string, partition: Partition | undefined): Pair[] {
  return [...(partition?.pairs.values() ?? [])].filter(({ protocol }) => paths[protocol].has(path));
}

function isWhole({ prefill, decode }: Pair): boolean {
  return prefill.length > 0 && decode.length > 0;
}

/** Where several models or protocols can serve it, the route's selector has the say. */
function choose(x: Exchange, route: Route, pairs: readonly Pair[]): Pair | undefined {
  if (pairs.length < 2) return pairs[0];
  const target = route.selector.pick(Object.freeze(pairs.flatMap(({ decode }) => decode)), x);
  return pairs.find(({ decode }) => target !== undefined && decode.includes(target)) ?? pairs[0];
}
