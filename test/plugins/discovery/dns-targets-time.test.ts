import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { dnsTargets, type DnsTargetsOptions } from "plugboard/plugins/discovery/dns-targets";
import { openProxy } from "./opened.ts";
import { addresses, nxdomain, type Said, service, stubDns } from "./stub-dns.ts";

const dns = await stubDns();
afterAll(() => dns.close());
beforeEach(() => dns.reset());

describe("the next question is asked", () => {
  // Only what the plugin waits by: the sockets and the server need the rest.
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  const asked = async (count: number): Promise<void> => {
    while (dns.asked.length < count) await new Promise((resolve) => void setImmediate(resolve));
    // The answer has to arrive, too.
    for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
  };

  const waits: readonly (readonly [what: string, said: Said, ms: number, options?: Partial<DnsTargetsOptions>])[] = [
    ["when the TTL ends", addresses(7, "10.0.0.1"), 7_000],
    ["when the shortest TTL ends", [...addresses(7, "10.0.0.1"), ...addresses(5, "10.0.0.2")], 5_000],
    ["after a second, when the TTL is 0", addresses(0, "10.0.0.1"), 1_000],
    ["after 5 minutes, when the TTL is a day", addresses(86_400, "10.0.0.1"), 300_000],
    ["within the bounds that are set", addresses(1, "10.0.0.1"), 20_000, { minTtl: 20_000 }],
    [
      "after the interval, when the records are SRV over https",
      [service("b.test", 1)],
      30_000,
      { type: "SRV", scheme: "https" },
    ],
  ];
  for (const [what, said, ms, options] of waits) {
    test(what, async () => {
      dns.all(said);
      const proxy = await openProxy(dnsTargets({ name: "a.test", servers: [dns.server], ...options }));
      await vi.advanceTimersByTimeAsync(ms - 1);
      await asked(1);
      expect(dns.asked).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1);
      await asked(2);
      expect(dns.asked).toHaveLength(2);
      await proxy.close();
    });
  }

  test("after a failure sooner, and then less and less often", async () => {
    dns.all(nxdomain);
    const proxy = await openProxy(dnsTargets({ name: "a.test", servers: [dns.server] }));
    const pauses: number[] = [];
    for (let round = 1; round <= 8; round++) {
      let pause = 0;
      for (; dns.asked.length === round; pause += 250) {
        await vi.advanceTimersByTimeAsync(250);
        await asked(round);
      }
      await asked(round + 1);
      pauses.push(pause);
    }
    for (const [index, most] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(most / 2);
      expect(pauses[index]).toBeLessThanOrEqual(most + 250);
    }
    await proxy.close();
  });
});
