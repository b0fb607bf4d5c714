import { BlockList, isIP } from "node:net";
import * as v from "valibot";
import { definePlugin, type Plugin, ProxyError } from "../../core/index.ts";
import { parseRange } from "../../core/wire/address-rules.ts";

export interface IpOptions {
  /** Addresses and CIDR ranges that may come in. @default all */
  allow?: readonly string[];
  /** Those that may not, also when they are allowed. @default none */
  deny?: readonly string[];
}

const range = v.pipe(
  v.string(),
  v.check((text) => parseRange(text) !== undefined, 'Expected an address or a CIDR range such as "10.0.0.0/8"'),
);
const ranges = v.pipe(v.array(range), v.minLength(1, "Expected at least one address or range"));

const schema: v.GenericSchema<IpOptions> = v.pipe(
  v.strictObject({
    allow: v.optional(ranges),
    deny: v.optional(ranges),
  } satisfies Record<keyof IpOptions, unknown>),
  v.check(({ allow, deny }) => allow !== undefined || deny !== undefined, "Expected ranges to allow or to deny"),
);

/**
 * Refuses clients by their address: 403 for all that may not come in.
 *
 * The address is that of the connection, or what a proxy in `trustedProxies` says it is. Behind a balancer that is not
 * listed there all clients are the balancer. An IPv4 address in an IPv6 one counts as itself. A request without an address,
 * as by `Proxy.fetch`, is in no range. For who asks, rather than from where, there is `keys`.
 *
 * @example
 * ip({ allow: ["10.0.0.0/8", "fd00::/8"], deny: ["10.66.0.0/16"] });
 */
export const ip: (options: IpOptions) => Plugin = definePlugin({
  name: "ip",
  options: schema,
  setup(_proxy, { allow, deny }) {
    const allowed = allow && toList(allow);
    const denied = deny && toList(deny);
    const mayCome = (address: string | undefined): boolean =>
      (denied === undefined || !has(denied, address)) && (allowed === undefined || has(allowed, address));
    return {
      request: {
        before: ["keys", "rate-limit"],
        handler(x) {
          if (mayCome(x.ip)) return;
          x.notes?.push("ip: the address may not come in");
          throw new ProxyError("forbidden", "This address may not come in.");
        },
      },
    };
  },
});

function toList(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const each of texts) {
    const found = parseRange(each);
    if (found !== undefined) list.addSubnet(found.address, found.bits, found.family);
  }
  return list;
}

function has(list: BlockList, address: string | undefined): boolean {
  if (address === undefined) return false;
  const [bare = ""] = address.split("%", 1); // Without the zone of a link-local address.
  const family = isIP(bare);
  return family !== 0 && list.check(bare, family === 6 ? "ipv6" : "ipv4");
}
