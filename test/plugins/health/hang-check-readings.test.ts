import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { hangCheck } from "plugboard/plugins/health/hang-check";
import { createSampleReader } from "../../../plugins/health/_metrics-text.ts";
import { createAuthority, pemFiles } from "../../certificates.ts";
import { eventually } from "../../e2e/eventually.ts";
import { busy, hung, isUp, metrics, watched } from "./hanging.ts";
import { start, upstream } from "./started.ts";

const faults: readonly [string, RequestListener][] = [
  ["are refused", (_request, response) => void response.writeHead(500).end()],
  ["are elsewhere", (_request, response) => void response.writeHead(302, { location: "/health" }).end()],
  ["break off", (request) => request.socket.resetAndDestroy()],
  ["never end", (_request, response) => response.writeHead(200, { "content-length": 99_999 }).flushHeaders()],
  ["are too long", (_request, response) => void response.end(metrics({ steps: 9 }) + " ".repeat(5_000))],
];

describe.each(faults)("metrics that %s", (_, fault) => {
  const options = { timeout: 20, maxBytes: 4_000 };

  test("say nothing, and the time does not count", async () => {
    const engine = await watched(busy, options);
    await engine.readings(8);
    engine.answer = fault;
    await engine.readings(20);
    expect(isUp(engine)).toBe(true);
    const before = engine.ups.length;
    engine.answer = busy;
    // Of the three readings on end that it takes two may still be missing, but none is made up for.
    await eventually(() => expect(engine.ups).toContain(false));
    expect(engine.ups.indexOf(false) - before).toBeGreaterThanOrEqual(4);
  });

  test("leave a target down that was", async () => {
    const engine = await hung(options);
    engine.answer = fault;
    await engine.readings(6);
    expect(isUp(engine)).toBe(false);
    expect(engine.log.filter((line) => line.includes("is not known")).length).toBeLessThanOrEqual(1);
  });
});

test.each<[string, RequestListener]>([
  ["has no metrics", (_request, response) => void response.writeHead(404).end()],
  ["shows other samples", (_request, response) => void response.end('http_requests_total{path="/v1"} 5\n')],
  ["shows its steps only", (_request, response) => void response.end("vllm:iteration_tokens_total_count 5\n")],
  ["shows its work only", (_request, response) => void response.end("vllm:num_requests_running 5\n")],
])("a target that %s is never taken for hung, and the log tells once", async (_, answer) => {
  const engine = await watched(answer);
  await engine.readings(30);
  expect(engine.ups).not.toContain(false);
  expect(engine.log).toEqual(["warn: whether target a hangs is not known: its /metrics has no such samples"]);
});

test("a hung target that comes back without these samples is another, and is up", async () => {
  const engine = await hung();
  engine.answer = (_request, response) => void response.writeHead(404).end();
  await eventually(() => expect(isUp(engine)).toBe(true));
});

test("a target that cannot be reached is up, as far as this goes, and the log is quiet", async () => {
  const { pool, log } = await start([hangCheck({ interval: 5, grace: 1, fall: 1 })], {
    default: [{ url: "http://127.0.0.1:1" }],
  });
  const other = await hung();
  await other.readings(3);
  expect([pool().snapshot.available.length, log]).toEqual([1, []]);
});

test("does not follow a redirect", async () => {
  const paths: (string | undefined)[] = [];
  const engine = await watched((request, response) => {
    paths.push(request.url);
    response.writeHead(301, { location: "/elsewhere" }).end();
  });
  await engine.readings(3);
  expect(new Set(paths)).toEqual(new Set(["/metrics"]));
  expect(engine.log).toEqual(["warn: whether target a hangs is not known: its /metrics answers with status 301"]);
});

test("reads from the root of the origin, or where it is told", async () => {
  const paths: (string | undefined)[] = [];
  const { url } = await upstream((request, response) => {
    paths.push(request.url);
    response.end(metrics({ steps: 1 }));
  });
  await start([hangCheck({ path: "/stats/prometheus" })], { default: [{ url: `${url}/v1` }] });
  await eventually(() => expect(paths).toEqual(["/stats/prometheus"]));
});

test("other engines have other names", async () => {
  let tokens = 100;
  const sglang: RequestListener = (_request, response) => {
    const lines = [`sglang:realtime_tokens_total{mode="decode"} ${tokens}`, "sglang:num_queue_reqs 2", ""];
    response.end(lines.join("\n"));
  };
  const engine = await watched(sglang, {
    counters: ["sglang:realtime_tokens_total"],
    busy: ["sglang:num_running_reqs", "sglang:num_queue_reqs"],
  });
  await eventually(() => expect(isUp(engine)).toBe(false));
  tokens += 1;
  await eventually(() => expect(isUp(engine)).toBe(true));
});

test("the name of the counter may come without `total`", async () => {
  const engine = await watched((_request, response) => {
    response.end("vllm:iteration_tokens_count 7\nvllm:num_requests_running 1\n");
  });
  await eventually(() => expect(isUp(engine)).toBe(false));
});

test("a step of one engine of several is a step of the target", async () => {
  let steps = 0;
  const engine = await watched((_request, response) => {
    const lines = [0, 1].map((index) => `vllm:iteration_tokens_total_count{engine="${index}"} ${index * steps}\n`);
    steps += 1;
    response.end(`${lines.join("")}vllm:num_requests_running{engine="0"} 3\n`);
  });
  await engine.readings(30);
  expect(engine.ups).not.toContain(false);
});

test("looks at one pool only if told so", async () => {
  const [one, other] = [await upstream(), await upstream()];
  await start([hangCheck({ pool: "second", interval: 5 })], {
    default: [{ url: one.url }],
    second: [{ url: other.url }],
  });
  await eventually(() => expect(other.requests.length).toBeGreaterThan(2));
  expect(one.requests).toHaveLength(0);
});

test("keeps to where a target may be", async () => {
  const { url, requests } = await upstream();
  const named = url.replace("127.0.0.1", "localhost");
  await start([hangCheck({ interval: 5 })], { default: [{ url }, { url: named, addresses: ["private"] }] });
  await eventually(() => expect(requests.length).toBeGreaterThan(5));
  expect(new Set(requests.map(({ headers }) => `http://${headers.host}`))).toEqual(new Set([url]));
});

test("reads over TLS as the target is to be trusted", async () => {
  const authority = createAuthority();
  const { ca } = pemFiles({ ca: authority.cert });
  const server = createServer(authority.issue(), (_request, response) => void response.end("b 1\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => server.close().closeAllConnections());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { log } = await start([hangCheck({ interval: 5 })], { default: [{ id: "a", url, tls: { ca } }] });
  await eventually(() => expect(log).toContainEqual(expect.stringContaining("has no such samples")));
});

test("reads many targets, a few at a time", async () => {
  const held: (() => void)[] = [];
  let [open, most, count] = [0, 0, 0];
  const { url } = await upstream((_request, response) => {
    count += 1;
    most = Math.max(most, (open += 1));
    held.push(() => {
      open -= 1;
      response.end(metrics({ steps: 1 }));
    });
  });
  const specs = Array.from({ length: 100 }, (_, i) => ({ id: `t${i}`, url }));
  await start([hangCheck({ interval: 60_000, timeout: 60_000 })], { default: specs });
  await eventually(() => expect(open).toBe(32));
  await eventually(() => {
    for (const release of held.splice(0)) release();
    expect(count).toBe(100);
  });
  expect(most).toBe(32);
});

describe("a reading of Prometheus text", () => {
  const read = (text: string, size = text.length): Record<string, number> => {
    const reader = createSampleReader(["a:x", "b"]);
    const bytes = Buffer.from(text);
    for (let from = 0; from < bytes.length; from += size) reader.add(bytes.subarray(from, from + size));
    return Object.fromEntries(reader.end());
  };

  test.each<[string, Record<string, number>]>([
    ["b 5\n", { b: 5 }],
    ["b 5", { b: 5 }],
    ["b\t5.5 1700000000000\r\nb 1\r\n", { b: 6.5 }],
    ["b{} 1e+06\n", { b: 1_000_000 }],
    ['a:x{m="1"} 1\na:x{m="2"} 2\nb 0\n', { "a:x": 3, b: 0 }],
    ['b{p="}",q="a\\"} 9",r="\\\\"} 4\n', { b: 4 }],
    ["# HELP b b 5\n# b 5\nbb 5\nb_total 5\na:x_created 5\n", {}],
    ["b NaN\nb +Inf\nb -Inf\nb{\nb\nb \nb five\n\n", {}],
    ['b{m="é"} 3\n', { b: 3 }],
  ])("%j is %j, wherever it is cut", (text, sums) => {
    for (let size = 1; size <= text.length; size++) expect(read(text, size)).toEqual(sums);
  });

  test("passes over a line without end, and reads on behind it", () => {
    expect(read(`b{x="${"y".repeat(200_000)}"} 7\nb 5\nb{x="${"y".repeat(60_000)}"} 1\n`, 1_000)).toEqual({ b: 6 });
  });

  test("is not slow on a line made to be so", () => {
    expect(read(`b{${'"\\'.repeat(30_000)}`)).toEqual({});
    expect(read(`b{${'""'.repeat(30_000)} 5`)).toEqual({});
  });
});
