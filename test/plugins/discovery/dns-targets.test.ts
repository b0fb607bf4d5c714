import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { createProxy } from "plugboard";
import { dnsTargets } from "plugboard/plugins/discovery/dns-targets";
import { discoveryOf, testDiscovery, testPlugin } from "plugboard/testing";
import { explainConfig } from "../../../core/explain/explain.ts";
import { eventually } from "../../e2e/eventually.ts";
import { within } from "../../wire/waiting.ts";
import { faultsOf, idsOf, openConfig, openProxy } from "./opened.ts";
import { addresses, nxdomain, refused, type Said, servfail, service, stubDns } from "./stub-dns.ts";

const dns = await stubDns();
afterAll(() => dns.close());
beforeEach(() => dns.reset());

/** Asks again soon, and waits for nothing long. */
const quick = { servers: [dns.server], minTtl: 10, maxTtl: 20, interval: 20, timeout: 300 };

const outages: Readonly<Record<string, Said>> = {
  "an error of the name server": servfail,
  "a refusal": refused,
  "a name that is gone": nxdomain,
  "an answer without records": [],
  silence: "silence",
};

for (const [outage, said] of Object.entries(outages)) {
  describe(`A records, and ${outage}`, () => {
    testDiscovery({
      test,
      create() {
        dns.reset();
        dns.say("A", "a.test", addresses(0, "10.0.0.1", "10.0.0.2"));
        return dnsTargets({ ...quick, name: "a.test", port: 8000, path: "/v1", models: ["m"], weight: 2 });
      },
      expected: [
        { url: "http://10.0.0.1:8000/v1", models: ["m"], weight: 2 },
        { url: "http://10.0.0.2:8000/v1", models: ["m"], weight: 2 },
      ],
      change() {
        dns.say("A", "a.test", addresses(0, "10.0.0.3", "10.0.0.2"));
        return { expected: [{ url: "http://10.0.0.2:8000/v1" }, { url: "http://10.0.0.3:8000/v1" }] };
      },
      breakSource: () => dns.all(said),
      mend: () => dns.all(undefined),
      async asked() {
        const { length } = dns.asked;
        dns.say("A", "a.test", addresses(0, "10.0.0.2", "10.0.0.1"));
        await eventually(() => expect(dns.asked.length).toBeGreaterThan(length + 3));
      },
    });
  });
}

describe("SRV records", () => {
  testDiscovery({
    test,
    create() {
      dns.reset();
      dns.say("SRV", "_http._tcp.a.test", [service("one.test", 8001, 10, 3), service("two.test", 8002, 20)]);
      dns.say("A", "one.test", addresses(0, "10.0.0.1"));
      dns.say("A", "two.test", addresses(0, "10.0.0.2"));
      return dnsTargets({ ...quick, name: "_http._tcp.a.test", type: "SRV", pool: "srv", labels: { zone: "a" } });
    },
    pool: "srv",
    expected: [
      { url: "http://10.0.0.1:8001", weight: 3, labels: { zone: "a", priority: "10" } },
      { url: "http://10.0.0.2:8002", weight: 1, labels: { zone: "a", priority: "20" } },
    ],
    change() {
      dns.say("SRV", "_http._tcp.a.test", [service("two.test", 8002, 20, 7)]);
      return { expected: [{ url: "http://10.0.0.2:8002", weight: 7 }] };
    },
    empty: () => dns.say("SRV", "_http._tcp.a.test", [service(".", 0)]),
    breakSource: () => dns.all(servfail),
    mend: () => dns.all(undefined),
  });
});

testPlugin({
  test,
  create() {
    dns.say("A", "a.test", addresses(0, "10.0.0.1"));
    return dnsTargets({ ...quick, name: "a.test" });
  },
  badOptions: [
    { options: undefined, says: "name: " },
    { options: { name: "127.0.0.1" }, says: "name: Expected a name such as backends.internal" },
    { options: { name: "a b" }, says: "name: Expected a name" },
    { options: { name: "http://a" }, says: "name: Expected a name" },
    { options: { name: `${"a".repeat(64)}.test` }, says: "name: Expected a name" },
    { options: { name: "a", type: "MX" }, says: "type: " },
    { options: { name: "a", port: 0 }, says: "port: Expected 1 to 65535" },
    { options: { name: "a", type: "SRV", port: 80 }, says: "port: Expected no port: SRV records have their own" },
    { options: { name: "a", type: "SRV", weight: 2 }, says: "weight: Expected no weight: SRV records have theirs" },
    { options: { name: "a", scheme: "https" }, says: 'scheme: Expected "http": no certificate is for an address' },
    { options: { name: "a", scheme: "ftp" }, says: "scheme: " },
    { options: { name: "a", path: "v1" }, says: "path: Expected a path such as /v1" },
    { options: { name: "a", path: "/v1?a" }, says: "path: Expected a path such as /v1" },
    { options: { name: "a", minTtl: 0 }, says: "minTtl: Expected 1 or more" },
    { options: { name: "a", minTtl: 10, maxTtl: 9 }, says: "maxTtl: Expected minTtl, or more" },
    { options: { name: "a", servers: [] }, says: "servers: Expected one server or more" },
    { options: { name: "a", servers: ["ns.test"] }, says: "servers.0: Expected an address" },
    { options: { name: "a", servers: ["10.0.0.1:99999"] }, says: "servers.0: Expected an address" },
    { options: { name: "a", models: [""] }, says: "models.0: Expected a word" },
    { options: { name: "a", addresses: ["10.0.0.0/33"] }, says: "addresses.0: Expected an address, a CIDR range" },
    { options: { name: "a", url: "http://a" }, says: "url: unknown option" },
  ],
});

describe("takes for a name server", () => {
  for (const server of ["10.0.0.1", "10.0.0.1:8600", "::1", "[::1]:8600"]) {
    test(server, async () => {
      await discoveryOf(dnsTargets({ name: "a", servers: [server] }));
    });
  }
});

describe("while one of several is not answered", () => {
  test("a family keeps its last known addresses beside the other", async () => {
    dns.say("A", "a.test", addresses(0, "10.0.0.1"));
    dns.say("AAAA", "a.test", addresses(0, "fd00::1"));
    const proxy = await openProxy(dnsTargets({ ...quick, name: "a.test", type: "A+AAAA" }));
    dns.say("AAAA", "a.test", "silence");
    dns.say("A", "a.test", addresses(0, "10.0.0.2"));
    await eventually(() => expect(idsOf(proxy)).toEqual(["http://10.0.0.2:80", "http://[fd00::1]:80"]));
    expect(faultsOf(proxy)[0]).toMatch(/^AAAA a\.test: (no answer|the name server does not answer)/);
    dns.say("AAAA", "a.test", []);
    await eventually(() => expect(idsOf(proxy)).toEqual(["http://10.0.0.2:80"]));
    expect(faultsOf(proxy)).toEqual([]);
    await proxy.close();
  });

  test("a host of SRV records keeps its last known addresses beside the others", async () => {
    dns.say("SRV", "s.test", [service("a.test", 1), service("b.test", 1)]);
    dns.say("A", "a.test", addresses(0, "10.0.0.1"));
    dns.say("A", "b.test", addresses(0, "10.0.0.2"));
    const proxy = await openProxy(dnsTargets({ ...quick, name: "s.test", type: "SRV" }));
    dns.say("A", "b.test", servfail);
    dns.say("A", "a.test", addresses(0, "10.0.0.3"));
    await eventually(() => expect(idsOf(proxy)).toEqual(["http://10.0.0.2:1", "http://10.0.0.3:1"]));
    await proxy.close();
  });
});

test("a reload without the name server goes on with what is known", async () => {
  dns.say("A", "a.test", addresses(0, "10.0.0.1"));
  const config = { plugins: [dnsTargets({ ...quick, name: "a.test" })] };
  const proxy = await openConfig(config);
  dns.all(servfail);
  await proxy.reload(config);
  expect(idsOf(proxy)).toEqual(["http://10.0.0.1:80"]);
  expect(faultsOf(proxy)).toHaveLength(1);
  await proxy.close();
});

test("a name that appears later is found", async () => {
  dns.all(nxdomain);
  const proxy = await openProxy(dnsTargets({ ...quick, name: "a.test" }));
  dns.all(addresses(0, "10.0.0.1"));
  await eventually(() => expect(idsOf(proxy)).toEqual(["http://10.0.0.1:80"]));
  await proxy.close();
});

test("a name server that is silent holds up the start no longer than the timeout", async () => {
  dns.all("silence");
  const opening = openProxy(dnsTargets({ ...quick, name: "a.test", timeout: 100 }));
  const proxy = await within(opening, "the start", 2_000);
  expect(faultsOf(proxy)[0]).toMatch(/^A a\.test: (no answer within 100 ms|the name server does not answer)/);
  await proxy.close();
});

test("the second name server answers when the first does not", async () => {
  const silent = await stubDns();
  silent.all("silence");
  dns.say("A", "a.test", addresses(0, "10.0.0.1"));
  const proxy = await openProxy(
    dnsTargets({ ...quick, name: "a.test", servers: [silent.server, dns.server], timeout: 1_500 }),
  );
  expect(idsOf(proxy)).toEqual(["http://10.0.0.1:80"]);
  await proxy.close();
  silent.close();
});

test("check, explain and a proxy of tests ask nobody", async () => {
  dns.all(addresses(1, "10.0.0.1"));
  const config = { plugins: [dnsTargets({ ...quick, name: "a.test" })] };
  expect((await explainConfig(config, {})).candidates).toEqual([]);
  const proxy = await createProxy(config, { mode: "test" });
  expect(idsOf(proxy)).toEqual([]);
  await proxy.close();
  expect(dns.asked).toEqual([]);
});
