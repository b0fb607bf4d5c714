import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { dnsTargets, type DnsTargetsOptions } from "plugboard/plugins/discovery/dns-targets";
import { priority } from "plugboard/plugins/select/priority";
import { faultsOf, openProxy } from "./opened.ts";
import { addresses, nxdomain, servfail, service, stubDns } from "./stub-dns.ts";

const dns = await stubDns();
afterAll(() => dns.close());
beforeEach(() => dns.reset());

const quick = { servers: [dns.server], minTtl: 10, maxTtl: 20, interval: 20, timeout: 300 };

describe("the targets of", () => {
  const found = async (options: Omit<DnsTargetsOptions, "servers">) => {
    const proxy = await openProxy(dnsTargets({ ...quick, ...options }));
    const targets = proxy.pools()[0]?.snapshot.all.map(({ id, weight, labels }) => [id, weight, labels["priority"]]);
    const stale = faultsOf(proxy);
    await proxy.close();
    return { targets, stale };
  };

  test("AAAA records have their addresses in brackets", async () => {
    dns.say("AAAA", "a.test", addresses(1, "fd00::2", "fd00::1"));
    expect(await found({ name: "a.test", type: "AAAA" })).toEqual({
      targets: [
        ["http://[fd00::1]:80", 1, undefined],
        ["http://[fd00::2]:80", 1, undefined],
      ],
      stale: [],
    });
  });

  test("both families may be those of one, without a fault", async () => {
    dns.say("A", "a.test", addresses(1, "10.0.0.1"));
    expect(await found({ name: "a.test", type: "A+AAAA" })).toEqual({
      targets: [["http://10.0.0.1:80", 1, undefined]],
      stale: [],
    });
    dns.say("AAAA", "a.test", servfail);
    expect(await found({ name: "a.test", type: "A+AAAA" })).toEqual({
      targets: [["http://10.0.0.1:80", 1, undefined]],
      stale: ["AAAA a.test: the name server could not answer (ESERVFAIL)"],
    });
  });

  test("200 records come over TCP, since they do not fit", async () => {
    const many = Array.from({ length: 200 }, (_, i) => `10.0.${i >> 4}.${i & 15}`);
    dns.say("A", "a.test", addresses(1, ...many));
    const { targets } = await found({ name: "a.test", timeout: 2_000 });
    expect(targets?.map(([id]) => id).toSorted()).toEqual(many.map((address) => `http://${address}:80`).toSorted());
    expect(dns.overTcp).toContain("A a.test");
  });

  test("an address that is named twice are one", async () => {
    dns.say("A", "a.test", addresses(1, "10.0.0.1", "10.0.0.1"));
    expect((await found({ name: "a.test" })).targets).toHaveLength(1);
  });

  test("SRV records have the weights of their priority, of which 0 says nothing where all have it", async () => {
    dns.say("SRV", "s.test", [
      service("a.test", 1, 0, 0),
      service("a.test", 2, 0, 0),
      service("a.test", 3, 1, 0),
      service("a.test", 4, 1, 5),
    ]);
    dns.say("A", "a.test", addresses(1, "10.0.0.1"));
    expect((await found({ name: "s.test", type: "SRV" })).targets).toEqual([
      ["http://10.0.0.1:1", 1, "0"],
      ["http://10.0.0.1:2", 1, "0"],
      ["http://10.0.0.1:3", 0, "1"],
      ["http://10.0.0.1:4", 5, "1"],
    ]);
  });

  test("an SRV record whose host has several addresses share its weight", async () => {
    dns.say("SRV", "s.test", [service("a.test", 1, 0, 6), service("b.test", 1, 0, 6)]);
    dns.say("A", "a.test", addresses(1, "10.0.0.1", "10.0.0.2"));
    dns.say("AAAA", "b.test", addresses(1, "fd00::1"));
    expect((await found({ name: "s.test", type: "SRV" })).targets).toEqual([
      ["http://10.0.0.1:1", 3, "0"],
      ["http://10.0.0.2:1", 3, "0"],
      ["http://[fd00::1]:1", 6, "0"],
    ]);
  });

  test("SRV records over https keep their host names", async () => {
    dns.say("SRV", "s.test", [service("A.Test", 443, 0, 1), service("b.test", 8443, 1, 1)]);
    expect(await found({ name: "s.test", type: "SRV", scheme: "https", path: "/v1" })).toEqual({
      targets: [
        ["https://a.test:443/v1", 1, "0"],
        ["https://b.test:8443/v1", 1, "1"],
      ],
      stale: [],
    });
    expect(new Set(dns.asked)).toEqual(new Set(["SRV s.test"]));
  });

  test("an SRV record that names no server are none, and it is told", async () => {
    dns.say("SRV", "s.test", [service("a/b.test", 80), service("good.test", 0), service("good.test", 80)]);
    dns.say("A", "good.test", addresses(1, "10.0.0.1"));
    expect(await found({ name: "s.test", type: "SRV" })).toEqual({
      targets: [["http://10.0.0.1:80", 1, "0"]],
      stale: ['"a/b.test":80 is no server; "good.test":0 is no server'],
    });
  });

  test("a name that does not exist are none, and the start does not fail", async () => {
    dns.all(nxdomain);
    expect(await found({ name: "a.test" })).toEqual({
      targets: [],
      stale: ["A a.test: there is no such name (ENOTFOUND)"],
    });
  });
});

test("the selector priority goes by the priority of SRV records", async () => {
  dns.say("SRV", "s.test", [service("a.test", 2, 20), service("a.test", 1, 10)]);
  dns.say("A", "a.test", addresses(1, "10.0.0.1"));
  const proxy = await openProxy(dnsTargets({ ...quick, name: "s.test", type: "SRV" }), priority());
  const { candidates } = await proxy.explain({});
  expect(candidates.find(({ score }) => score !== undefined)?.id).toBe("http://10.0.0.1:1");
  await proxy.close();
});
