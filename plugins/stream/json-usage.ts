import {
  definePlugin,
  type Exchange,
  type Plugin,
  type Relay,
  type Slot,
  type UpstreamHead,
} from "../../core/index.ts";
import { type Usage, UsageFinder } from "./_usage.ts";

/**
 * Notes the token usage of answers that come as one JSON object.
 *
 * Puts what OpenAI's and Anthropic's APIs tell in `usage` into the slot "usage", as `sse` does for streams; for `latency`,
 * `throughput`, quotas and logs that count tokens. It looks at answers to POST below status 400 that are
 * `application/json` and not compressed; the bytes pass as they came and are not kept. Leave it out where nobody reads
 * the slot: each such answer is searched.
 *
 * @example
 * jsonUsage();
 */
export const jsonUsage: () => Plugin = definePlugin({
  name: "json-usage",
  setup(proxy) {
    const slot = proxy.slot<Usage>("usage");
    proxy.provide("relay", "json-usage", {
      match: (x, head) => x.method === "POST" && isPlainJson(head),
      create: (x) => createRelay(x, slot),
    });
  },
});

function createRelay(x: Exchange, slot: Slot<Usage>): Relay {
  const finder = new UsageFinder();
  return {
    observes: true,
    data(chunk) {
      if (finder.feed(chunk)) slot.set(x, finder.usage);
      return chunk;
    },
  };
}

function isPlainJson({ status, headers }: UpstreamHead): boolean {
  const encoding = headers["content-encoding"];
  if (status >= 400 || (encoding !== undefined && encoding !== "identity")) return false;
  const type = headers["content-type"];
  return typeof type === "string" && /^application\/json\s*(;|$)/i.test(type);
}
