import type { Exchange, UpstreamHead } from "../contract/exchange.ts";
import type { Relay, RelayService } from "../contract/services.ts";
import { isProxyError, ProxyError } from "../errors.ts";

export interface RelayProvider {
  readonly plugin: string;
  readonly service: RelayService;
}

/** The relays that want this response, as one; undefined when none does. */
export function relayChain(providers: readonly RelayProvider[], x: Exchange, head: UpstreamHead): Relay | undefined {
  let first: Relay | undefined;
  let all: Relay[] | undefined;
  for (const provider of providers) {
    const relay = toRelay(provider, x, head);
    if (relay === undefined) continue;
    if (first === undefined) first = relay;
    else (all ??= [first]).push(relay);
  }
  return all === undefined ? first : inSeries(all);
}

const owners: WeakMap<Relay, string> = new WeakMap();

/** The plugin that made a relay; undefined for several in series. */
export function ownerOf(relay: Relay): string | undefined {
  return owners.get(relay);
}

function toRelay({ plugin, service }: RelayProvider, x: Exchange, head: UpstreamHead): Relay | undefined {
  try {
    if (!service.match(x, head)) return undefined;
    const relay = service.create(x, head);
    owners.set(relay, plugin);
    return relay;
  } catch (cause) {
    if (isProxyError(cause)) throw cause;
    throw new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase: "relay", cause });
  }
}

function inSeries(relays: readonly Relay[]): Relay {
  const pass = (chunk: Uint8Array | null, from: number): Uint8Array | null => {
    let out = chunk;
    for (let i = from; i < relays.length && out !== null; i++) {
      const relay = relays[i] as Relay;
      const given = relay.data(out);
      if (relay.observes !== true) out = given;
    }
    return out;
  };
  /** What a relay adds of its own passes the relays behind it. */
  const gather = (add: (relay: Relay) => Uint8Array | null | undefined): Uint8Array | null => {
    const parts: Uint8Array[] = [];
    for (const [i, relay] of relays.entries()) {
      const part = add(relay) ?? null;
      const passed = relay.observes === true ? null : pass(part, i + 1);
      if (passed !== null) parts.push(passed);
    }
    return parts.length === 0 ? null : Buffer.concat(parts);
  };
  // 0 is no limit, which does not lift another's.
  const idle = relays.flatMap(({ idle: limit = 0 }) => (limit > 0 ? [limit] : []));
  return {
    observes: relays.every(({ observes = false }) => observes),
    ...(idle.length > 0 ? { idle: Math.min(...idle) } : {}),
    data: (chunk) => pass(chunk, 0),
    end: () => gather((relay) => relay.end?.()),
    broken: (error: ProxyError) => gather((relay) => relay.broken?.(error)),
  };
}
