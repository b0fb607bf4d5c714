import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok } from "../wire.mjs";
import { until } from "../world.mjs";
import { openRegistry, openRouter, service } from "./registry.mjs";

const root = new URL("../../../", import.meta.url);

/** Sections B and J of the promises: where a name leads, and what is kept by it. */
export const rebindingRows = [
  { id: "B10", promise: "Targets whose parts joined read the same share no connection", run: keys, naive: false },
  { id: "J3", promise: "Where a name leads is looked at for each connection", run: rebinding, naive: false },
];

async function keys(world) {
  const { Connections } = await import(new URL("dist/core/targets/connections.js", root));
  const { addressRules } = await import(new URL("dist/core/index.js", root));
  const cases = createCases();
  const connections = new Connections();
  world.defer(() => connections.close());
  const hold = ({ port = 1, keepAlive = 1, maxConnections = 1, addresses, digest }) =>
    connections.hold(`http://127.0.0.1:${port}`, {
      keepAlive,
      maxConnections,
      rules: addresses && addressRules(addresses),
      tls: digest && { digest, context: undefined, servername: undefined, verify: true },
    });
  const pairs = [
    [
      { port: 1, keepAlive: 12 },
      { port: 11, keepAlive: 2 },
    ],
    [
      { keepAlive: 1, maxConnections: 12 },
      { keepAlive: 11, maxConnections: 2 },
    ],
    [{ addresses: ["10.0.0.1", "11.0.0.1"] }, { addresses: ["10.0.0.11", "1.0.0.1"] }],
    [{ addresses: ["loopback", "private"] }, { addresses: ["loopback"], digest: "private" }],
    [{ addresses: ["loopback"] }, { digest: "loopback" }],
  ];
  for (const pair of pairs) {
    await cases.try(JSON.stringify(pair), () => must(hold(pair[0]) !== hold(pair[1]), "they share a connection"));
  }
  await cases.try("the same twice", () => must(hold(pairs[2][0]) === hold(pairs[2][0]), "it has two"));
  await cases.try("one that may not go where the other is", async () => {
    const upstream = await world.upstream(answering(ok()));
    const url = `http://localhost:${upstream.port}`;
    const targets = ["loopback", "private"].map((id) => ({ url, target: { id, addresses: [id] } }));
    const proxy = await world.proxy(targets, { retry: { attempts: 1 } });
    const statuses = [];
    for (let index = 0; index < 10; index++) statuses.push((await world.exchange(proxy, get("/"))).status);
    const times = (wanted) => statuses.filter((status) => status === wanted).length;
    mustEqual([times(200), times(502), upstream.peers.length], [5, 5, 1], "answers of each, and connections");
  });
  return cases.verdict("pairs kept apart, and what is the same shared");
}

const metadata = "169.254.169.254";

/** What a name leads to once it has been accepted. */
const rebound = [
  [metadata],
  ["127.0.0.1", metadata],
  [metadata, "127.0.0.1"],
  [`::ffff:${metadata}`],
  ["::ffff:a9fe:a9fe"],
  ["64:ff9b::a9fe:a9fe"],
  ["fd00:ec2::254"],
  ["fe80::1%eth0"],
  ["0.0.0.0"],
  ["8.8.8.8"],
  ["::ffff:8.8.8.8"],
  [],
];

async function rebinding(world) {
  const { addressRules } = await import(new URL("dist/core/index.js", root));
  const cases = createCases();
  const good = ["127.0.0.1"];
  for (const addresses of rebound) {
    for (const all of [true, false]) {
      await cases.try(`${addresses.join(" and ") || "nothing"}, all: ${all}`, async () => {
        const answers = [good, addresses, good];
        const rules = addressRules(["loopback", "private"], (_name, _options, done) =>
          done(null, found(answers.shift())),
        );
        const outcomes = [];
        for (let round = 0; round < 3; round++) outcomes.push(await lookup(rules, all));
        mustEqual(outcomes, ["127.0.0.1", "EBLOCKED", "127.0.0.1"], "what the lookups say");
      });
    }
  }
  await cases.try("a service that was accepted and moves", () => moving(world));
  return cases.verdict("answers of the DNS judged, each for itself");
}

function found(addresses) {
  return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
}

function lookup(rules, all) {
  return new Promise((resolve) => {
    rules.lookup("name.test", { all }, (error, address) => {
      resolve(error?.code ?? (all ? address.map((one) => one.address).join() : address));
    });
  });
}

/** Of `flip.test`, which leads to what the file says, in the process that has this required. */
const resolver = (file) => `
const dns = require("node:dns");
const { readFileSync } = require("node:fs");
const read = () => readFileSync(${JSON.stringify(file)}, "utf8").split(" ").map((address) => ({ address, family: 4 }));
const { lookup } = dns;
const promised = dns.promises.lookup;
dns.lookup = (name, options, done) => {
  if (name !== "flip.test") return lookup(name, options, done);
  const all = read();
  process.nextTick(() => (options.all ? done(null, all) : done(null, all[0].address, 4)));
};
dns.promises.lookup = async (name, options) =>
  name !== "flip.test" ? promised(name, options) : options?.all ? read() : read()[0];
require("node:module").syncBuiltinESMExports();
`;

/** The other address is loopback too, so that what is done wrongly stays on this machine, and is seen. */
async function moving(world) {
  const upstream = await world.upstream(async (peer) => {
    await peer.request();
    await peer.write(message(["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2"], "ok"));
    await peer.close();
  });
  let strayed = 0;
  const elsewhere = createServer((_req, res) => void res.end(String(strayed++))).listen(upstream.port, "127.0.0.2");
  world.defer(() => new Promise((resolve) => void elsewhere.close(resolve)));
  const file = world.file("127.0.0.1");
  const flags = ["--require", world.file(resolver(file))];
  const allow = ["127.0.0.1"];
  const { ask, url } = await openRegistry(world, { flags, allow });
  mustEqual((await ask("POST", "/services", service("flips", upstream.port, { host: "flip.test" }))).status, 201, "it");
  const router = await openRouter(world, { url, flags, allow });
  const status = async () => (await world.exchange(router, get("/"))).status;
  await until(async () => (await status()) === 200, "it is served");
  for (const addresses of ["127.0.0.2", "127.0.0.1 127.0.0.2", "127.0.0.2 127.0.0.1"]) {
    const before = upstream.peers.length;
    writeFileSync(file, addresses);
    const { status: refused, text } = await world.exchange(router, get("/"));
    mustEqual([refused, strayed, upstream.peers.length], [502, 0, before], `the answer and visits at ${addresses}`);
    must(!/127|flip/.test(text), `the client is told ${text}`);
    writeFileSync(file, "127.0.0.1");
    mustEqual(await status(), 200, "the answer when it is back");
  }
}
