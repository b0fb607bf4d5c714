import type { RequestListener } from "node:http";
import { expect, test } from "vitest";
import { definePlugin, ProxyError } from "plugboard";
import { outlierEjection } from "plugboard/plugins/health/outlier-ejection";
import { sse } from "plugboard/plugins/stream/sse";
import { testPlugin } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { closedUrl } from "../../wire/closed-port.ts";
import { breaks, outliers, says } from "./outliers.ts";

testPlugin({
  test,
  create: () => outlierEjection({ consecutive: 3, weights: { stalled: 0.5 }, now: () => 0 }),
  badOptions: [
    { options: { consecutive: 0 }, says: "consecutive: Expected 1 or more" },
    { options: { rate: 0 }, says: "rate: Expected more than 0" },
    { options: { minimum: 1.5 }, says: "minimum: Expected a whole number" },
    { options: { window: -1 }, says: "window" },
    { options: { statuses: [429] }, says: "statuses.0: Expected a status of 500 to 599" },
    { options: { weights: { connect: -1 } }, says: "weights.connect: Expected 0 or more" },
    { options: { weights: { local: 1 } }, says: "local" },
    { options: { duration: 0 }, says: "duration" },
    { options: { maxDuration: 0 }, says: "maxDuration" },
    { options: { jitter: 2 }, says: "jitter: Expected 0 to 1" },
    { options: { share: 2 }, says: "share: Expected 0 to 1" },
    { options: { panic: "maybe" }, says: 'panic: Expected "fail" or "all"' },
    { options: { panicBelow: -1 }, says: "panicBelow" },
    { options: { activeChecks: 1 }, says: "activeChecks" },
    { options: { pool: "" }, says: "pool: Expected the name of a pool" },
    { options: { now: 5 }, says: "now: Expected a function that returns milliseconds" },
  ],
});

const midStream: RequestListener = (request, response) => {
  response.writeHead(200, { "content-length": "10" }).write("x", () => request.socket.destroy());
};
const falls: RequestListener = (_request, response) => void response.writeHead(200).write("x");
const hangs: RequestListener = () => {};

test("ejects a target after five failures in a row, not sooner", async () => {
  const proxy = await outliers(["a", "b"]);
  proxy.answers.set("a", says(502));
  await proxy.askTimes("a", 4);
  expect(proxy.log).toEqual([]);
  await proxy.ask("a");
  await proxy.turned("a", false);
  expect(proxy.pool().verdicts("a")).toMatchObject([
    { reporter: "outlier-ejection", reason: "5 failures in a row, the last: status" },
  ]);
  expect(proxy.log).toEqual(["warn: target a is ejected for 30 s: 5 failures in a row, the last: status"]);
  expect(await proxy.ask("a")).toBe(200);
  expect(proxy.got.get("a")).toBe(5);
});

test.each<[string, RequestListener]>([
  ["status", says(503)],
  ["reset", breaks],
  ["timeout", hangs],
  ["stalled", falls],
  ["stream-error", midStream],
])("counts a failure of the kind %s", async (kind, answer) => {
  const proxy = await outliers(["a", "b"], { consecutive: 1 }, { spec: { timeouts: { headers: 50, idle: 50 } } });
  proxy.answers.set("a", answer);
  await proxy.ask("a");
  await proxy.turned("a", false);
  expect(proxy.pool().verdicts("a")).toMatchObject([{ reason: `1 failures in a row, the last: ${kind}` }]);
});

test("counts a target that takes no connections, while the client is answered by another", async () => {
  const proxy = await outliers(["b"], { consecutive: 2 });
  const url = await closedUrl();
  const b = proxy.pool().snapshot.all[0]!;
  proxy.replace([
    { id: "a", url },
    { id: "b", url: b.origin },
  ]);
  await proxy.turned("a", true);
  expect([await proxy.ask("a"), await proxy.ask("a")]).toEqual([200, 200]);
  await proxy.turned("a", false);
  expect(proxy.pool().verdicts("a")).toMatchObject([{ reason: "2 failures in a row, the last: connect" }]);
});

test.each<[string, RequestListener]>([
  ["the request was bad", says(400)],
  ["its limit is reached", says(429)],
  ["it answers with a status that is not listed", says(500)],
])("a target is not ejected because %s", async (_, answer) => {
  const proxy = await outliers(["a", "b"], { consecutive: 1 });
  proxy.answers.set("a", answer);
  await proxy.askTimes("a", 20);
  expect(proxy.log).toEqual([]);
});

test("a status of 500 counts when it is listed", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 1, statuses: [500] });
  proxy.answers.set("a", says(500));
  await proxy.ask("a");
  await proxy.turned("a", false);
});

test("a client that leaves does not count", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 1 });
  proxy.answers.set("a", hangs);
  const client = new AbortController();
  const asked = proxy.ask("a", { signal: client.signal }).catch(() => "gone");
  await eventually(() => expect(proxy.got.get("a")).toBe(1));
  client.abort();
  await asked;
  await eventually(() => expect(proxy.pool().snapshot.all[0]!.live.inflight).toBe(0));
  expect(proxy.log).toEqual([]);
});

test("a request that takes longer than it may in all does not count", async () => {
  const short = definePlugin({
    name: "short",
    setup(setup) {
      const route = setup.createRoute({ name: "short", timeouts: { total: 50 } });
      return { resolve: () => route };
    },
  });
  const proxy = await outliers(["a", "b"], { consecutive: 1 }, { plugins: [short()] });
  proxy.answers.set("a", hangs);
  expect(await proxy.ask("a")).toBe(504);
  expect(proxy.log).toEqual([]);
});

test("what a plugin breaks does not count", async () => {
  const clumsy = definePlugin({
    name: "clumsy",
    setup: () => ({
      upstreamResponse() {
        throw new ProxyError("internal_error", "This one is clumsy.");
      },
    }),
  });
  const proxy = await outliers(["a", "b"], { consecutive: 1 }, { plugins: [clumsy()] });
  expect(await proxy.ask("a")).toBe(500);
  expect(proxy.log.filter((line) => line.includes("ejected"))).toEqual([]);
});

test("a good answer ends the row, a refusal does not", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 3 });
  for (const status of [502, 502, 200, 502, 502, 404]) {
    proxy.answers.set("a", says(status));
    await proxy.ask("a");
  }
  expect(proxy.log).toEqual([]);
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  await proxy.turned("a", false);
});

test("a kind of failure counts for its weight", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 1, weights: { status: 0.5, reset: 0 } });
  proxy.answers.set("a", breaks);
  await proxy.askTimes("a", 9);
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  expect(proxy.log).toEqual([]);
  await proxy.ask("a");
  await proxy.turned("a", false);
});

test("ejects a target that fails too large a share of enough requests", async () => {
  const proxy = await outliers(["a", "b"], { rate: 0.3, minimum: 10, now: () => 0 });
  for (const status of [502, 200, 502, 200, 502, 200, 200, 200, 200]) {
    proxy.answers.set("a", says(status));
    await proxy.ask("a");
  }
  expect(proxy.log).toEqual([]);
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  await proxy.turned("a", false);
  expect(proxy.pool().verdicts("a")).toMatchObject([
    { reason: "4 failures in 10 requests within 60 s, the last: status" },
  ]);
});

test("what is older than the window does not count", async () => {
  let time = 1_000_000;
  const proxy = await outliers(["a", "b"], { rate: 0.3, minimum: 4, window: 60_000, consecutive: 99, now: () => time });
  proxy.answers.set("a", says(502));
  await proxy.askTimes("a", 3);
  time += 61_000;
  await proxy.askTimes("a", 3);
  expect(proxy.log).toEqual([]);
  time += 30_000;
  await proxy.ask("a");
  await proxy.turned("a", false);
});

/** A stream that its upstream ends with an error event. */
const fails =
  (code: number): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write('data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n');
    response.end(`data: {"error":{"message":"no","code":${code}}}\n\n`);
  };

test("counts a whole stream of 200 that ends with an error event, where sse reads it", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 2 }, { plugins: [sse()] });
  proxy.answers.set("a", fails(500));
  await proxy.askTimes("a", 2);
  await proxy.turned("a", false);
  expect(proxy.pool().verdicts("a")).toMatchObject([{ reason: "2 failures in a row, the last: stream-error" }]);
});

test("does not count an error event that is the client's fault", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 2 }, { plugins: [sse()] });
  proxy.answers.set("a", fails(400));
  await proxy.askTimes("a", 4);
  expect(proxy.available()).toEqual(["a", "b"]);
});
