import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientAddress, trustedProxies } from "../../../core/wire/forwarded.ts";
import { configErrorOf } from "../config/config-error-of.ts";

const trusts = (ranges: readonly string[], address: string | undefined): boolean => trustedProxies(ranges).has(address);

describe("a trusted range", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "10.0.0.2", false],
    ["10.0.0.0/8", "10.255.1.2", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.1.2.3/8", "10.9.9.9", true],
    ["192.168.1.128/25", "192.168.1.127", false],
    ["192.168.1.128/25", "192.168.1.255", true],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["10.0.0.0/8", "::ffff:10.0.0.1", true],
    ["10.0.0.0/8", "::ffff:11.0.0.1", false],
    ["::1", "::1", true],
    ["::1", "::2", false],
    ["2001:db8::/32", "2001:db8:ffff::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["::/0", "2001:db8::1", true],
    ["fe80::/10", "fe80::1", true],
  ])("%s and the peer %s: %s", (range, address, expected) => {
    expect(trusts([range], address)).toBe(expected);
  });

  test("may be one of several", () => {
    const ranges = ["10.0.0.0/8", "::1"];
    expect(["10.1.1.1", "::1", "127.0.0.1"].map((address) => trusts(ranges, address))).toEqual([true, true, false]);
  });

  test.each([undefined, "", "nonsense", "10.0.0.1:80", "10.0.0", "010.0.0.1", "10.0.0.1, 10.0.0.2"])(
    "is never where %j is from",
    (address) => {
      expect(trusts(["0.0.0.0/0", "::/0"], address)).toBe(false);
    },
  );

  test("does not have a link-local peer with its zone, and does not fail on it", () => {
    expect(trusts(["10.0.0.0/8"], "fe80::1%eth0")).toBe(false);
  });

  test("without any, nobody is trusted and nothing is looked up", () => {
    const none = trustedProxies();
    expect(none.any).toBe(false);
    expect(none.has("127.0.0.1")).toBe(false);
  });

  test("has an address exactly if their first bits are the same", () => {
    const byte = fc.nat(255);
    const v4 = fc.tuple(byte, byte, byte, byte);
    const toNumber = (parts: readonly number[]): number => parts.reduce((sum, part) => sum * 256 + part, 0);
    fc.assert(
      fc.property(v4, v4, fc.nat(32), fc.boolean(), (network, address, bits, mapped) => {
        const size = 2 ** (32 - bits);
        const same = Math.floor(toNumber(network) / size) === Math.floor(toNumber(address) / size);
        const peer = `${mapped ? "::ffff:" : ""}${address.join(".")}`;
        expect(trusts([`${network.join(".")}/${bits}`], peer)).toBe(same);
      }),
    );
  });

  test.each([
    "",
    "nobody",
    "proxy.test",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8.5",
    "10.0.0.0/x",
    "::1/129",
    "10.0.0",
    "10.0.0.0/",
    "10.0.0.0/ ",
    "10.0.0.0/8/8",
    "10.0.0.0/0x8",
    "10.0.0.0/1e1",
    "10.0.0.0/+8",
  ])("%j is refused, with its place and value", (range) => {
    expect(configErrorOf(() => void trustedProxies(["127.0.0.1", range]))).toMatchObject({
      path: "trustedProxies.1",
      message: "is not an address range",
      received: range,
    });
  });
});

describe("the client's address", () => {
  const trusted = trustedProxies(["10.0.0.0/8", "::1"]);
  const of = (peer: string | undefined, forwardedFor?: string): string | undefined =>
    clientAddress(peer, forwardedFor, trusted);

  test.each([
    ["the peer's, when nothing was forwarded", "10.0.0.1", undefined, "10.0.0.1"],
    ["the peer's, whatever a stranger says", "203.0.113.9", "198.51.100.1", "203.0.113.9"],
    ["what a trusted peer says", "10.0.0.1", "198.51.100.1", "198.51.100.1"],
    [
      "the nearest that is not trusted: what is before it, it may have made up",
      "10.0.0.1",
      "6.6.6.6, 198.51.100.1",
      "198.51.100.1",
    ],
    ["found behind trusted proxies", "10.0.0.1", "198.51.100.1, 10.0.0.3, 10.0.0.2", "198.51.100.1"],
    ["the first, when all are trusted", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["of either family", "::1", "2001:db8::7", "2001:db8::7"],
    ["found without spaces, and with many", "10.0.0.1", "6.6.6.6,198.51.100.1 ,  10.0.0.2", "198.51.100.1"],
    ["not looked for behind what is no address", "10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"],
    ["the peer's, when the last hop is no address", "10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"],
    ["the peer's, when nothing stands in the header", "10.0.0.1", "", "10.0.0.1"],
    ["the peer's, when the hop has a port", "10.0.0.1", "198.51.100.1:4711", "10.0.0.1"],
  ])("is %s", (_what, peer, forwardedFor, expected) => {
    expect(of(peer, forwardedFor)).toBe(expected);
  });

  test("is unknown when the peer's is", () => {
    expect(of(undefined, "198.51.100.1")).toBeUndefined();
  });

  test("is never one that only an untrusted hop vouches for", () => {
    const address: fc.Arbitrary<string> = fc.constantFrom(
      "6.6.6.6",
      "198.51.100.1",
      "10.0.0.2",
      "10.0.0.3",
      "unknown",
      "",
    );
    fc.assert(
      fc.property(fc.array(address), (hops) => {
        const found = of("10.0.0.1", hops.join(","));
        const at = hops.lastIndexOf(found ?? "");
        if (at !== -1) expect(hops.slice(at + 1).every((hop) => trusted.has(hop))).toBe(true);
      }),
    );
  });
});
