import * as v from "valibot";
import { definePlugin, type HookMap, isPlugin, type Plugin } from "../../core/index.ts";
import { refuseCompressed, setRequestId, strip } from "./_disaggregate-client.ts";
import { decide } from "./_disaggregate-decide.ts";
import { createLogprobs } from "./_disaggregate-logprobs.ts";
import { createNixl } from "./_disaggregate-nixl.ts";
import { candidatesOf, createPrefillers, type Handover, type Plan, type Tools } from "./_disaggregate-plan.ts";
import { createSglang } from "./_disaggregate-sglang.ts";
import { createWorkers, type Protocol, warnOfFaults } from "./_disaggregate-workers.ts";

export interface DisaggregateOptions {
  /** Picks the prefill target. @default one of its own, of the kind of the config's first selector */
  prefill?: Plugin;
  /** Prefill targets that are asked before a request is served in one phase. @default 2 */
  prefillAttempts?: number;
  /** Of prefill targets of SGLang that say none themselves; null where they have none. @default 8998 */
  bootstrapPort?: number | null;
  /** Lets clients bring handles of their own: addresses that the engines dial. @default false */
  trust?: boolean;
}

const port = v.pipe(
  v.number("Expected a number from 1 to 65535, or null"),
  v.integer("Expected a number from 1 to 65535, or null"),
  v.minValue(1, "Expected a number from 1 to 65535, or null"),
  v.maxValue(65_535, "Expected a number from 1 to 65535, or null"),
);

const schema = v.strictObject({
  prefill: v.optional(v.custom<Plugin>(isPlugin, "Expected a selector such as leastConnections()")),
  prefillAttempts: v.optional(
    v.pipe(
      v.number("Expected a number from 1 on"),
      v.integer("Expected a whole number"),
      v.minValue(1, "Expected a number from 1 on"),
    ),
    2,
  ),
  bootstrapPort: v.optional(v.nullable(port), 8_998),
  trust: v.optional(v.boolean("Expected true or false"), false),
} satisfies {
  [K in keyof Required<DisaggregateOptions>]: v.GenericSchema<DisaggregateOptions[K], DisaggregateOptions[K]>;
});

/**
 * Splits requests into prefill and decode, each on targets of its own.
 *
 * For vLLM with its NixlConnector and for SGLang, whose engines hand over what the prompt left in memory by themselves.
 * Targets say `meta: { role, protocol, bootstrapPort }`, or labels of these names: the role is `prefill`, `decode` or
 * `unified` (which does both, the default), the protocol `nixl` (the default) or `sglang`. Targets of one protocol that
 * are asked for one model pass work to each other. Nothing changes on routes where no target has a role.
 *
 * With `nixl` the prefill target is asked first, for one token; what it answers in `kv_transfer_params` goes to the decode
 * target, byte for byte. With `sglang` both get the same body at once, with a `bootstrap_room` to meet in. The route's
 * selector picks among the decode targets. Without a pair, or when prefill fails, unified targets serve the request, or
 * decode targets alone (`nixl` only: those of SGLang refuse that); a prefill target gets nothing else. A handle that was
 * not used, as the client left, is given back. Clients cannot name handles, rooms or prefill targets, unless trusted.
 *
 * Not for targets that do both phases well: the split pays where long prompts delay the tokens of others.
 *
 * @example
 * defineProxy({
 *   plugins: [
 *     staticTargets({
 *       targets: [
 *         { url: "http://10.0.0.1:8000", meta: { role: "prefill", protocol: "nixl" } },
 *         { url: "http://10.0.0.2:8000", meta: { role: "decode", protocol: "nixl" } },
 *       ],
 *     }),
 *     leastConnections(),
 *     disaggregate({ prefill: powerOfTwoChoices() }),
 *   ],
 * });
 */
export const disaggregate: (options?: DisaggregateOptions) => Plugin = definePlugin({
  name: "disaggregate",
  options: schema,
  setup(proxy, { prefill, prefillAttempts, bootstrapPort, trust }) {
    proxy.needs({ body: "json" });
    const plans = proxy.slot<Plan>("disaggregate");
    const workers = createWorkers(bootstrapPort);
    const given = prefill && proxy.inner("selector", prefill);
    const first = proxy.use("selector");
    const prefillers = createPrefillers(() => given ?? first.value, workers);
    const tools: Tools = { proxy, workers, plans, prefillAttempts, prefillers };
    proxy.provide("relay", "disaggregate", createLogprobs(plans));
    warnOfFaults(proxy, workers);

    return createHooks(tools, trust);
  },
});

function createHooks(tools: Tools, trust: boolean): HookMap {
  const { plans, workers } = tools;
  const handovers: Readonly<Record<Protocol, Handover>> = { nixl: createNixl(tools), sglang: createSglang(tools) };
  return {
    admit(x) {
      const { route } = x;
      if (route === undefined || !workers.concerns(route)) return undefined;
      if (!trust) refuseCompressed(x);
      const plan = decide(x, route, workers, trust);
      if (plan === undefined) return undefined;
      plans.set(x, plan);
      return plan.phases === "two" ? handovers[plan.protocol].admit(x, plan) : undefined;
    },
    candidates(x, targets) {
      const partition = workers.partition(targets);
      if (partition === undefined) return targets;
      const plan = plans.get(x);
      return plan === undefined ? partition.ordinary : candidatesOf(plan, partition, x.tried);
    },
    upstreamRequest: {
      after: ["providers", "alias", "direct"],
      handler(x) {
        if (x.route === undefined || !workers.concerns(x.route)) return undefined;
        if (!trust) strip(x);
        const plan = plans.get(x);
        if (plan === undefined) return undefined;
        setRequestId(x, plan);
        // Prefill requests come by here too, and releases.
        const isDecode = !plan.over && plan.phases === "two" && workers.isDecodeOf(x.target, plan.pair);
        return isDecode ? handovers[plan.protocol].decode(x, plan) : undefined;
      },
    },
    attemptEnd(x, target, outcome) {
      const plan = plans.get(x);
      if (plan?.over === false) handovers[plan.protocol].attemptEnd(plan, target, outcome);
    },
    error: {
      // Where one tells the error, those behind it are not asked.
      before: ["openai-errors"],
      handler: (x, { code }) => (code === "prefill_failed" ? plans.get(x)?.refusal : undefined),
    },
    end(x) {
      const plan = plans.get(x);
      if (plan === undefined) return;
      plan.over = true;
      handovers[plan.protocol].end(x, plan);
    },
  };
}
