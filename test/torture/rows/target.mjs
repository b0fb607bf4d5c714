import { createJiti } from "jiti";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok, within } from "../wire.mjs";
import { mustBeClean, refuseAll } from "./refusing.mjs";

const request = (target, ...headers) => message([`GET ${target} HTTP/1.1`, ...headers]);
const hostless = (...headers) => message(["GET /hostile HTTP/1.1", ...headers]);

const hosts = [
  ["no Host"],
  ["the same Host twice", "Host: a", "Host: a"],
  ["two Hosts", "Host: a", "Host: b"],
  ["a list", "Host: a,b"],
  ["an empty Host", "Host:"],
  ["a path", "Host: a/b"],
  ["a query", "Host: a?b"],
  ["a fragment", "Host: a#b"],
  ["a path and a query, as against vLLM", "Host: x/admin?"],
  ["userinfo", "Host: u@a"],
  ["userinfo with a password", "Host: u:p@a"],
  ["a space", "Host: a b"],
  ["a control character", "Host: a\x01b"],
  ["a backslash", "Host: a\\b"],
  ["a byte over 0x7f", "Host: a\xe9"],
  ["a port that is no number", "Host: a:b"],
  ["two ports", "Host: a:1:2"],
  ["a bracket that is not closed", "Host: [::1"],
  ["more than 255 characters", `Host: ${"a".repeat(256)}`],
].map(([name, ...headers]) => [name, hostless(...headers)]);

const absolute = [
  "http://evil/hostile",
  "http://a:81/hostile",
  "http://u@a/hostile",
  "http:///hostile",
  "x://a/hostile",
]
  .concat(["ftp://a/hostile", "http:/hostile", "http:hostile", "@a/hostile", "a/hostile"])
  .map((target) => [target, request(target, "Host: a")]);

const jiti = createJiti(import.meta.url, { fsCache: false });
const { ambiguous, exact, joins, queries } = await jiti.import("../../wire/path-cases.ts");

const refused = (list, options) => async (world) => {
  const cases = createCases();
  await refuseAll(world, cases, list, options);
  return cases.verdict("refused, none of their bytes upstream");
};

/** Section B of the promises: one target, one host and one path, read once. */
export const target = [
  { id: "B1", promise: "A Host that is not one host name is refused", run: refused(hosts) },
  { id: "B2", promise: "Absolute form is served for Host's authority, and refused for any other", run: absoluteForm },
  { id: "B3", promise: "CONNECT is answered with 405 and Allow, and closed", run: connect },
  { id: "B4", promise: "TRACE and TRACK are answered with 405", run: trace },
  { id: "B5", promise: "OPTIONS * is answered here, GET * is refused", run: asterisk },
  { id: "B6", promise: "A path with a second meaning is refused, all others are forwarded byte for byte", run: paths },
  { id: "B7", promise: "A query is forwarded byte for byte", run: (world) => unchanged(world, queries) },
  { id: "B8", promise: "A request target that is too long gets its 414 delivered", run: tooLong },
  { id: "B9", promise: "Base path and path are joined without a lost or a doubled slash", run: joined },
];

async function absoluteForm(world) {
  const cases = createCases();
  await refuseAll(world, cases, absolute, { closes: false });
  const { upstream, proxy } = await world.pair(answering(ok()));
  for (const form of ["http://a/p?q", "HTTP://A/p?q"]) {
    await cases.try(form, async () => {
      mustEqual((await world.exchange(proxy, request(form, "Host: a"))).status, 200, "the status");
      mustEqual(upstream.requests.at(-1).path, "/p?q", "the path upstream");
    });
  }
  return cases.verdict("forms are read as they should be");
}

async function connect(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  await cases.try("CONNECT", async () => {
    const client = await world.client(proxy);
    await client.send(message(["CONNECT hostile:443 HTTP/1.1", "Host: hostile:443"]));
    const response = await within(client.response(), "an answer");
    mustEqual(response.status, 405, "the status");
    must(response.get("allow") !== undefined, "there is no Allow");
    await within(client.ending, "the connection closes");
    await mustBeClean(world, proxy, upstream, { hostile: /hostile/ });
  });
  return cases.verdict("answered with 405 and closed");
}

async function trace(world) {
  const cases = createCases();
  const list = ["TRACE", "TRACK"].map((method) => [
    method,
    message([`${method} /hostile HTTP/1.1`, "Host: a", "Cookie: a"]),
  ]);
  // Node's parser knows no TRACK: to it that is a malformed request.
  await refuseAll(world, cases, list, { statuses: [405, 400], closes: false });
  return cases.verdict("refused, none of their bytes upstream");
}

async function asterisk(world) {
  const cases = createCases();
  await refuseAll(world, cases, [["GET *", request("*", "Host: hostile")]], { closes: false });
  const options = message(["OPTIONS * HTTP/1.1", "Host: hostile"]);
  await refuseAll(world, cases, [["OPTIONS *", options]], { statuses: [200, 204], closes: false });
  return cases.verdict("answered here");
}

async function paths(world) {
  const cases = createCases();
  const hostile = ambiguous.map((path) => [path, get(`/hostile${path}`)]);
  await refuseAll(world, cases, hostile, { closes: false });
  const refusals = cases.verdict("ambiguous paths refused");
  const kept = await unchanged(world, exact);
  return { kept: refusals.kept && kept.kept, figure: `${refusals.figure}; ${kept.figure}` };
}

async function unchanged(world, list) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  for (const path of list) {
    await cases.try(path, async () => {
      mustEqual((await world.exchange(proxy, get(path))).status, 200, "the status");
      mustEqual(upstream.requests.at(-1).path, path, "the path upstream");
    });
  }
  return cases.verdict("forwarded byte for byte");
}

async function tooLong(world) {
  const cases = createCases();
  const lengths = [20_000, 40_000, 70_000, 1_000_000];
  const list = lengths.map((length) => [`${length} bytes`, get(`/hostile${"a".repeat(length)}`)]);
  await refuseAll(world, cases, list, { statuses: [414] });
  return cases.verdict("lengths get a 414 that arrives");
}

async function joined(world) {
  const cases = createCases();
  for (const basePath of new Set(joins.map(([base]) => base))) {
    const upstream = await world.upstream(answering(ok()));
    const proxy = await world.proxy([{ url: upstream.url + basePath }]);
    for (const [, path, wanted] of joins.filter(([base]) => base === basePath)) {
      await cases.try(`${basePath} and ${path}`, async () => {
        await world.exchange(proxy, get(path));
        mustEqual(upstream.requests.at(-1).path, wanted, "the path upstream");
      });
    }
  }
  return cases.verdict("are joined right");
}
