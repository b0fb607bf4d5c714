import { until } from "../world.mjs";
import { createCases, must, mustEqual, megabytes } from "../verdict.mjs";
import { answering, get, message, ok, post, within } from "../wire.mjs";
import { mustBeClean, refuseAll } from "./refusing.mjs";

const hopByHop = ["Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "HTTP2-Settings"];
const listed = "Connection: keep-alive, X-Listed,x-listed-too";
const ok200 = "HTTP/1.1 200 OK";
const evil = (...lines) => message([...lines, "X-Evil: evil"], "evil");

const bad = [
  ["garbage", "evil\r\n\r\n"],
  ["the answer of a TLS server", "\x15\x03\x01\x00\x02\x02\x46"],
  ["the answer of an SMTP server", "220 evil ESMTP\r\n"],
  ["a status of five digits", evil("HTTP/1.1 99999 OK")],
  ["a status of two digits", evil("HTTP/1.1 20 OK")],
  ["a version that does not exist", evil("HTTP/9.9 200 OK", "Content-Length: 4")],
  ["101 that nobody asked for", evil("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: evil")],
  ["NUL in a value", evil(ok200, "X-A: a\0b", "Content-Length: 4")],
  ["CR in a value", evil(ok200, "X-A: a\rb", "Content-Length: 4")],
  ["LF in a value", evil(ok200, "X-A: a\nb", "Content-Length: 4")],
  ["a folded line", evil(ok200, "X-A: a\r\n b", "Content-Length: 4")],
  ["a space in a name", evil(ok200, "X A: a", "Content-Length: 4")],
  ["a space before the colon", evil(ok200, "Content-Length : 4")],
  ["a length and chunks", evil(ok200, "Content-Length: 4", "Transfer-Encoding: chunked")],
  ["two lengths", evil(ok200, "Content-Length: 4", "Content-Length: 5")],
  ["a negative length", evil(ok200, "Content-Length: -1")],
  ["a value of 8 MB", evil(ok200, `X-A: ${"a".repeat(8_000_000)}`)],
  ["100,000 lines", evil(ok200, ...Array.from({ length: 100_000 }, (_, index) => `X-${index}: a`))],
];

/** Section C of the promises: what headers may do to the other side. */
export const headers = [
  { id: "C1", promise: "Hop-by-hop headers, and those that Connection lists, stop here both ways", run: hops },
  { id: "C2", promise: "Connection cannot take away framing, Host, credentials or what the proxy adds", run: shielded },
  {
    id: "C6",
    promise: "Too many or too large headers get 431, nothing reaches the upstream, memory stays",
    run: floods,
  },
  { id: "C7", promise: "A malformed answer is a 502, and the client never sees a byte of it", run: badAnswers },
  { id: "C8", promise: "Repeated headers keep number and order, repeated single ones are refused", run: repeated },
  { id: "C9", promise: "A header named like a property of objects harms nothing", run: prototypes },
  { id: "C13", promise: "Early hints are forwarded, a storm of informational answers is a 502", run: informational },
];

async function hops(world) {
  const cases = createCases();
  const names = [...hopByHop, "X-Listed", "X-Listed-Too"];
  const answered = ok("", ...names.map((name) => `${name}: evil`), listed);
  const { upstream, proxy } = await world.pair(answering(answered));
  const sent = [...names.map((name) => `${name}: evil`), listed, "TE: gzip;q=0.5, trailers"];
  const response = await world.exchange(proxy, get("/", ...sent));
  const request = upstream.requests[0];
  for (const name of names) {
    await cases.try(`${name} of a request`, () => mustEqual(request.values(name).join(), "", "what the upstream got"));
    await cases.try(`${name} of an answer`, () =>
      must(!response.values(name).join().includes("evil"), "the client got it"),
    );
  }
  await cases.try("TE", () => mustEqual(request.get("te") ?? "trailers", "trailers", "TE"));
  await cases.try("Upgrade alone", async () => {
    await world.exchange(proxy, get("/", "Upgrade: websocket"));
    mustEqual(upstream.requests.at(-1).values("upgrade"), [], "Upgrade");
  });
  return cases.verdict("headers stop here");
}

async function shielded(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering((request) => ok(request.text)));
  const names = ["host", "content-length", "content-type", "authorization", "x-forwarded-for", "via"];
  for (const name of names) {
    await cases.try(name, async () => {
      const lines = ["Authorization: Bearer a", "Content-Type: text/plain", `Connection: ${name}`];
      const response = await world.exchange(proxy, post("/", "hello", ...lines));
      mustEqual([response.status, response.text], [200, "hello"], "the answer");
      must(upstream.requests.at(-1).get(name) !== undefined, "did not reach the upstream");
    });
  }
  return cases.verdict("headers cannot be taken away");
}

async function floods(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  await mustBeClean(world, proxy, upstream, { hostile: /hostile/ });
  const huge = get("/hostile", `X-A: ${"a".repeat(8_000_000)}`);
  // What it takes once, for any number of them.
  for (let round = 0; round < 3; round++) await floodOnce(world, proxy, huge);
  const before = proxy.memory();
  const many = (count, value) => Array.from({ length: count }, (_, index) => `H${index}: ${value}`);
  const list = [
    ["201 lines", get("/hostile", ...many(201, "a"))],
    ["2,600 tiny lines, credentials last", get("/hostile", ...many(2_600, ""), "Authorization: a")],
    ["40 KiB in one line", get("/hostile", `X-A: ${"a".repeat(40_000)}`)],
    ["8 MB in one line", huge],
    ["1 MB in 100,000 lines", get("/hostile", ...many(100_000, "a"))],
  ];
  await refuseAll(world, cases, list, { statuses: [431] });
  for (let round = 0; round < 5; round++) await floodOnce(world, proxy, huge);
  const grown = proxy.memory() - before;
  // Garbage that is not yet collected is no leak: what counts is that 40 MB were not kept.
  await cases.try("memory", () => must(grown < 30 * 2 ** 20, `grew by ${megabytes(grown)}`));
  return cases.verdict(`floods held, memory ${megabytes(Math.max(0, grown))} more after 5 x 8 MB`);
}

async function floodOnce(world, proxy, bytes) {
  const client = await world.client(proxy);
  void client.send(bytes);
  await within(client.ending, "the connection closes");
  client.destroy();
}

async function badAnswers(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  for (const [name, bytes] of bad) {
    await cases.try(name, async () => {
      const client = await world.client(proxy);
      await client.send(get("/"));
      const peer = await within(upstream.accept(), "a connection to the upstream");
      await peer.request();
      void peer.write(bytes);
      const response = await within(client.response(), "an answer");
      mustEqual([response.status, response.ending], [502, "complete"], "the answer");
      must(!client.reader.received.includes("evil"), "the client saw some of it");
      await within(peer.ending, "the connection to the upstream closes");
    });
  }
  const logged = () => proxy.lines.filter(({ flag }) => flag === "UPE").length === bad.length;
  await cases.try("the log", () => until(logged, "a log line with flag UPE for each"));
  return cases.verdict("bad answers became a 502");
}

async function repeated(world) {
  const cases = createCases();
  const cookies = ["a=1", "b=2", "a=3"];
  const { upstream, proxy } = await world.pair(answering(ok("", ...cookies.map((cookie) => `Set-Cookie: ${cookie}`))));
  await cases.try("Set-Cookie", async () => {
    mustEqual((await world.exchange(proxy, get("/"))).values("set-cookie"), cookies, "the cookies");
  });
  await cases.try("X-A", async () => {
    await world.exchange(proxy, get("/", "X-A: 1", "X-B: b", "x-a: 2", "X-A: 1"));
    const values = upstream.requests.at(-1).values("x-a").join(",").split(/, ?/);
    mustEqual(values, ["1", "2", "1"], "the values upstream");
  });
  const twice = ["Authorization", "Content-Type", "Host", "Content-Length"].map((name) => {
    const value = name === "Content-Length" ? "0" : "a";
    const host = name === "Host" ? [] : ["Host: a"];
    return [name, message(["GET /hostile HTTP/1.1", ...host, `${name}: ${value}`, `${name}: ${value}`])];
  });
  await refuseAll(world, cases, twice, { closes: false });
  return cases.verdict("are kept or refused as they should be");
}

async function prototypes(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf", "prototype", "__defineGetter__"];
  for (const name of names) {
    await cases.try(name, async () => {
      const { status } = await world.exchange(proxy, get("/", `${name}: polluted`));
      must([200, 400].includes(status), `was answered with ${status}`);
      await world.exchange(proxy, get("/clean"));
      must(!upstream.requests.at(-1).headers.flat().includes("polluted"), "leaked into the next request");
      must(proxy.lives(), "the process ended");
    });
  }
  return cases.verdict("names harm nothing");
}

async function informational(world) {
  const cases = createCases();
  const hint = message(["HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload"]);
  const upstream = await world.upstream(
    answering(({ path }) => hint.repeat(path === "/few" ? 2 : 100_000) + ok("done")),
  );
  const proxy = await world.proxy([upstream]);
  await cases.try("two hints", async () => {
    const response = await world.exchange(proxy, get("/few"));
    mustEqual([response.status, response.informational.length], [200, 2], "the answer and its hints");
  });
  await cases.try("a storm of 100,000", async () => {
    mustEqual((await world.exchange(proxy, get("/storm"))).status, 502, "the status");
  });
  await cases.try("after the storm", async () => {
    mustEqual((await world.exchange(proxy, get("/few"))).status, 200, "the status");
  });
  return cases.verdict("answers are as they should be");
}
