import { BlockList, isIP } from "node:net";
import { ConfigError } from "../config/config-error.ts";
import { parseRange } from "./address-rules.ts";

/** Peers whose word about the client is believed. */
export interface TrustedProxies {
  /** False without any, so that nothing is looked up per request. */
  readonly any: boolean;
  has(address: string | undefined): boolean;
}

export function trustedProxies(ranges: readonly string[] = []): TrustedProxies {
  const list = new BlockList();
  for (const [index, range] of ranges.entries()) add(list, range, index);
  return {
    any: ranges.length > 0,
    has(address) {
      if (address === undefined || ranges.length === 0) return false;
      const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
      const family = isIP(plain);
      return family !== 0 && list.check(plain, family === 6 ? "ipv6" : "ipv4");
    },
  };
}

function add(list: BlockList, text: string, index: number): void {
  const range = parseRange(text);
  if (range === undefined) {
    const fix = 'write an address or a CIDR range such as "10.0.0.0/8"';
    const path = `trustedProxies.${index}`;
    throw new ConfigError([{ plugin: "", path, message: "is not an address range", received: text, fix, index: -1 }]);
  }
  list.addSubnet(range.address, range.bits, range.family);
}

/** The nearest address that is not a trusted proxy's: walks the list from its end, where only trusted peers wrote. */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trusted: TrustedProxies,
): string | undefined {
  if (forwardedFor === undefined || !trusted.has(peer)) return peer;
  const hops = forwardedFor.split(",").map((hop) => hop.trim());
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = hops[i] as string;
    if (isIP(hop) === 0) return hops[i + 1] ?? peer;
    if (!trusted.has(hop)) return hop;
  }
  return hops[0];
}
