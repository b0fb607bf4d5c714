import type { Exchange, UpstreamHead } from "../contract/exchange.ts";
import type { Relay, RelayService } from "../contract/services.ts";
import type { ProxyError } from "../errors.ts";

/** The relays that want this response, as one; undefined when none does. */
export function relayChain(services: readonly RelayService[], x: Exchange, head: UpstreamHead): Relay | undefined {
  let first: Relay | undefined;
  let all: Relay[] | undefined;
  for (const service of services) {
    if (!service.match(x, head)) continue;
    const relay = service.create(x, head);
    if (first === undefined) first = relay;
    else (all ??= [first]).push(relay);
  }
  return all === undefined ? first : inSeries(all);
}

function inSeries(relays: readonly Relay[]): Relay {
  const pass = (chunk: Uint8Array | null, from: number): Uint8Array | null => {
    let out = chunk;
    for (let i = from; i < relays.length && out !== null; i++) out = (relays[i] as Relay).data(out);
    return out;
  };
  /** What a relay adds of its own passes the relays behind it. */
  const gather = (add: (relay: Relay) => Uint8Array | null | undefined): Uint8Array | null => {
    const parts: Uint8Array[] = [];
    for (const [i, relay] of relays.entries()) {
      const part = pass(add(relay) ?? null, i + 1);
      if (part !== null) parts.push(part);
    }
    return parts.length === 0 ? null : Buffer.concat(parts);
  };
  const idle = relays.flatMap((relay) => (relay.idle === undefined ? [] : [relay.idle]));
  return {
    ...(idle.length > 0 ? { idle: Math.min(...idle) } : {}),
    data: (chunk) => pass(chunk, 0),
    end: () => gather((relay) => relay.end?.()),
    broken: (error: ProxyError) => gather((relay) => relay.broken?.(error)),
  };
}
