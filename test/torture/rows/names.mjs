import { createServer } from "node:https";
import { createServer as createPlainServer } from "node:http";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { addresses, createAuthority, createSelfSigned, get, nxdomain, servfail, stubDns } from "../wire.mjs";
import { until } from "../world.mjs";

/** Section E of the promises: who an upstream is. What is no name server on loopback is out of reach here. */
export const names = [
  {
    id: "E6",
    promise: "DNS that fails keeps what was known, and a new address is followed",
    run: dns,
    naive: false,
  },
  {
    id: "E7",
    promise: "An upstream whose certificate is not right is a 502 and sees no request",
    run: tls,
    naive: false,
  },
];

async function dns(world) {
  const cases = createCases();
  const port = await serveText(world, "127.0.0.1", 0, "one");
  await serveText(world, "127.0.0.2", port, "two");
  const open = async () => {
    const stub = await stubDns();
    world.defer(() => stub.close());
    stub.say("A", "backends.test", addresses(1, "127.0.0.1"));
    const options = { name: "backends.test", port, servers: [stub.server], timeout: 1_000 };
    const proxy = await world.proxy(undefined, { plugins: `all.dnsTargets(${JSON.stringify(options)}),` });
    const answer = async () => (await world.exchange(proxy, get("/"))).text;
    mustEqual(await answer(), "one", "the first answer");
    return { stub, answer };
  };
  const faulty = Object.entries({ SERVFAIL: servfail, NXDOMAIN: nxdomain, "no records": [], silence: "silence" });
  const tries = faulty.map(([name, said]) =>
    cases.try(name, async () => {
      const { stub, answer } = await open();
      stub.all(said);
      const before = stub.asked.length;
      await until(() => stub.asked.length > before + 1, "it is asked again", 10_000);
      mustEqual(await answer(), "one", "the answer while it fails");
    }),
  );
  const flip = cases.try("another address", async () => {
    const { stub, answer } = await open();
    stub.say("A", "backends.test", addresses(1, "127.0.0.2"));
    await until(async () => (await answer()) === "two", "the new address is used", 30_000);
  });
  await Promise.all([...tries, flip]);
  await cases.try("a target by a name that cannot be resolved", async () => {
    const unknown = await world.proxy([{ url: `http://${"a".repeat(64)}.test:80` }]);
    const startedAt = performance.now();
    const { status, text } = await world.exchange(unknown, get("/"));
    mustEqual([status, JSON.parse(text).error.code], [502, "dns_error"], "the answer");
    must(performance.now() - startedAt < 3_000, "it took more than 3 s");
  });
  return cases.verdict("changes and faults of a name server met");
}

async function serveText(world, host, port, text) {
  const server = createPlainServer((_, res) => res.end(text));
  await new Promise((resolve) => server.listen(port, host, resolve));
  world.defer(() => void server.close(server.closeAllConnections()));
  return server.address().port;
}

async function tls(world) {
  const cases = createCases();
  const authority = createAuthority();
  const ca = world.file(authority.cert);
  const requests = [];
  const serve = async (server) => {
    server.on("request", (req, res) => res.end(String(requests.push(req.url))));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    world.defer(() => void server.close(server.closeAllConnections()));
    return `https://127.0.0.1:${server.address().port}`;
  };
  const trusted = await serve(createServer(authority.issue()));
  for (const [name, url, code] of [
    ["self-signed", await serve(createServer(createSelfSigned())), "tls_error"],
    ["expired", await serve(createServer(authority.issue({ days: -1 }))), "tls_error"],
    ["another name", await serve(createServer(authority.issue({ names: ["other.test"] }))), "tls_error"],
    ["of someone unknown", await serve(createServer(createAuthority().issue())), "tls_error"],
    ["a plain port", await serve(createPlainServer()), "tls_error"],
  ]) {
    await cases.try(name, async () => {
      const proxy = await world.proxy([{ url, target: { tls: { ca } } }]);
      const { status, text } = await world.exchange(proxy, get("/"));
      mustEqual([status, JSON.parse(text).error.code], [502, code], "the answer");
      mustEqual(requests.length, 0, "the number of requests upstream");
      must(!/127\.0\.0\.1|CERT|SSL|EPROTO/.test(text), `the answer tells of the inside: ${text}`);
    });
  }
  await cases.try("one that is right", async () => {
    const proxy = await world.proxy([{ url: trusted, target: { tls: { ca } } }]);
    mustEqual((await world.exchange(proxy, get("/"))).status, 200, "the status");
  });
  await cases.try("not verified", async () => {
    const proxy = await world.proxy([{ url: trusted, target: { tls: { verify: false } } }]);
    mustEqual((await world.exchange(proxy, get("/"))).status, 200, "the status");
    await until(() => /is not verified/.test(JSON.stringify([proxy.lines, proxy.errors])), "a warning about it", 2_000);
  });
  return cases.verdict("certificates judged right");
}
