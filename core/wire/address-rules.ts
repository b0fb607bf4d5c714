import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Which addresses may be connected to. */
export interface AddressRules {
  /** What they allow, as it was given. */
  readonly text: string;
  /** Why an IP address may not be used; undefined: it may. */
  refuse(address: string): string | undefined;
  /** Why the host of a URL may not be used, as far as that is known without asking the DNS. */
  refuseHost(hostname: string): string | undefined;
  /** As `dns.lookup`, but fails with `EBLOCKED` for a name that leads to what may not be used. For each new connection. */
  readonly lookup: LookupFunction;
}

const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1"],
  // RFC 1918, RFC 4193, and RFC 6598, which private overlays use.
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"],
  any: ["0.0.0.0/0", "::/0"],
};

/** Whatever is allowed: link-local and what clouds tell their secrets on, "this host", multicast, broadcast. */
const never = [
  "169.254.0.0/16",
  "fe80::/10",
  "fd00:ec2::254",
  "100.100.100.200",
  "192.0.0.192",
  "0.0.0.0/8",
  "::",
  "224.0.0.0/4",
  "ff00::/8",
  "255.255.255.255",
  // An IPv4 address in an IPv6 one would get past the rules for it.
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "2002::/16",
  "::/96",
];

/** What an address range of the options has to look like. */
export const addressRangeHint =
  'Expected an address, a CIDR range such as "10.0.0.0/8", "loopback", "private" or "any"';

export function isAddressRange(text: string): boolean {
  return Object.hasOwn(named, text) || parseRange(text) !== undefined;
}

/**
 * Makes rules out of what is allowed: addresses, CIDR ranges, or `loopback`, `private` and `any`. Link-local addresses and
 * those of cloud metadata are refused even then. Throws for what is no range. `resolve` asks the DNS.
 */
export function addressRules(allowed: readonly string[], resolve: typeof lookup = lookup): AddressRules {
  const allow = toList(allowed.flatMap((text) => named[text] ?? [text]));
  const deny = toList(never);

  function refuse(address: string): string | undefined {
    const plain = toPlain(address);
    const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
    // ::1 is loopback, not an IPv4 address in disguise.
    if (plain !== "::1" && deny.check(plain, family)) return `${plain} is link-local, metadata or no host's address`;
    return allow.check(plain, family) ? undefined : `${plain} is not in ${allowed.join(", ") || "any allowed range"}`;
  }

  const guarded = ((hostname: string, options: LookupOptions, callback: Callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, [], 0);
      const why = found.map(({ address }) => refuse(address)).find((reason) => reason !== undefined);
      const [first] = found;
      if (why !== undefined || first === undefined)
        return callback(blocked(hostname, why ?? "it has no address"), [], 0);
      return options.all === true ? callback(null, found, 0) : callback(null, first.address, first.family);
    });
  }) as LookupFunction;

  return {
    text: allowed.join(" "),
    refuse,
    refuseHost(hostname) {
      const plain = hostname.replace(/^\[(.*)\]$/, "$1");
      return isIP(plain) === 0 ? undefined : refuse(plain);
    },
    lookup: guarded,
  };
}

type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family: number) => void;

function blocked(hostname: string, why: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} may not be connected to: ${why}`), { code: "EBLOCKED" });
}

interface Range {
  readonly address: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

/** Undefined for what is no address and no CIDR range. */
export function parseRange(text: string): Range | undefined {
  const [, address = "", prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const bits = prefix === undefined ? most : Number(prefix);
  if (version === 0 || bits > most) return undefined;
  return { address, bits, family: version === 6 ? "ipv6" : "ipv4" };
}

function toList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of ranges) {
    const range = parseRange(text);
    if (range === undefined) throw new Error(`${text} is no address range`);
    list.addSubnet(range.address, range.bits, range.family);
  }
  return list;
}

/** Without a zone, and an IPv4 address that was mapped into IPv6 as itself. */
function toPlain(address: string): string {
  const [bare = ""] = address.split("%", 1);
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (dotted !== undefined) return dotted;
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(bare) ?? [];
  if (high === undefined || low === undefined) return bare;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}
