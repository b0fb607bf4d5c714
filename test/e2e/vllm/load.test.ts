import { describe, expect, test, vi } from "vitest";
import { getJson, until } from "../fleet/stack.ts";
import { chat, type Mlnode, openMlnode, pidOf, stream } from "./mlnode.ts";

vi.setConfig({ testTimeout: 60_000 });

/** Slow enough to be looked at while it is under way. */
const slow = { STANDIN_TOKEN_MS: "50" };

describe("the engine with the fewest requests under way", () => {
  test("gets the next one, and of equals the first by its port", async () => {
    const node = await openMlnode({ devices: 3, env: slow });
    await node.start();
    await node.takes(3);
    const pids = (await node.engines()).map(({ pid }) => pid);
    const streams = [await stream(node.url), await stream(node.compat), await stream(node.url)];
    expect(streams.map(({ pid }) => pid)).toEqual(pids);
    streams[1]?.leave();
    await until(async () => expect((await node.services()).map(({ inflight }) => inflight)).toEqual([1, 0, 1]));
    const next = await stream(node.compat);
    expect(next.pid).toBe(pids[1]);
    for (const { leave } of [...streams, next]) leave();
  });
});

describe("the counts of requests under way are right", () => {
  const inflight = async (node: Mlnode): Promise<number[]> => (await node.services()).map((one) => one.inflight);

  test("after clients that left their streams, which end at the engine too", async () => {
    const node = await openMlnode({ env: slow });
    await node.start();
    const streams = await Promise.all(Array.from({ length: 5 }, () => stream(node.url)));
    expect(await inflight(node)).toEqual([5]);
    for (const { leave } of streams) leave();
    await until(async () => expect(await inflight(node)).toEqual([0]));
    await until(async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${node.compatPort + 1}/metrics`)).text();
      expect(metrics).toMatch(/^vllm:num_requests_running\{.*\} 0$/mu);
      expect(metrics).toMatch(/^vllm:request_success_total\{.*finished_reason="abort".*\} 5$/mu);
    });
  });

  test("after clients that left before there was an answer, while no engine answered too", async () => {
    const node = await openMlnode({ env: { STANDIN_TOKEN_MS: "100000" } });
    await node.start();
    const life = new AbortController();
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ model: "some/model", messages: [{ role: "user", content: "two words" }] });
    const left = fetch(`${node.url}/v1/chat/completions`, { method: "POST", headers, body, signal: life.signal });
    const gone = expect(left).rejects.toThrow("aborted");
    await until(async () => expect(await inflight(node)).toEqual([1]));
    life.abort();
    await gone;
    await until(async () => expect(await inflight(node)).toEqual([0]));
    await node.down();
    await Promise.all(Array.from({ length: 5 }, () => chat(node.url)));
    expect(await node.stats()).toMatchObject({ active: expect.any(Number), targets: [] });
  });

  test("over a down and an up with requests under way, which are broken for their clients to see", async () => {
    const node = await openMlnode({ devices: 2, env: slow });
    await node.start();
    await node.takes(2);
    const streams = await Promise.all(Array.from({ length: 4 }, () => stream(node.url)));
    expect(await inflight(node)).toEqual([2, 2]);
    await node.down();
    await node.start();
    await node.takes(2);
    for (const { rest } of streams) {
      const { text: said, whole } = await rest;
      expect(whole).toBe(false);
      expect(said).toContain('"error"');
      expect(said).not.toContain("[DONE]");
    }
    expect(await inflight(node)).toEqual([0, 0]);
    const next = [await stream(node.url), await stream(node.url)];
    expect(await inflight(node)).toEqual([1, 1]);
    for (const { leave } of next) leave();
    await until(async () => expect(await inflight(node)).toEqual([0, 0]));
  });
});

test("the statistics count requests, tokens and engines, on a port of their own", async () => {
  const node = await openMlnode();
  await node.start();
  const answer = await chat(node.url);
  expect(pidOf(answer)).toBe((await node.engines())[0]?.pid);
  const streamed = await stream(node.url, 3);
  await streamed.rest;
  await until(async () =>
    expect(await node.stats()).toMatchObject({
      routes: { "/v1": { requests: 2, failures: 0 } },
      targets: [{ id: "inference-1", requests: 2, failures: 0, inflight: 0 }],
    }),
  );
  for (const path of ["/stats", "/services", "/_proxy/stats"]) {
    expect((await node.call("GET", path)).status).toBe(404);
    expect(await getJson(node.compat + path)).toEqual({ detail: "Not Found" });
  }
});
