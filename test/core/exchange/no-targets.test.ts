import type { Plugin, TargetSpec } from "plugboard";
import { expect, test } from "vitest";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfter: string | null;
}

async function answerOf(proxy: { fetch(request: Request): Promise<Response> }): Promise<Answer> {
  const response = await proxy.fetch(new Request("http://proxy/"));
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, ...pick(error), retryAfter: response.headers.get("retry-after") };
}

function pick({ code, message }: { code: string; message: string }): { code: string; message: string } {
  return { code, message };
}

const out = (verdicts: Readonly<Record<string, number | undefined>>): Plugin =>
  quickPlugin("out", (proxy) => {
    const reporter = proxy.reporter("limits");
    proxy.onReady(() => {
      for (const [id, ms] of Object.entries(verdicts)) reporter.down(id, "429", ms);
    });
  });
const two: readonly TargetSpec[] = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));

test("targets that are out for a known time are cooling down, and the client is told how long", async () => {
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, two), out({ a: 90_000, b: 41_500 })] });
  expect(await answerOf(proxy)).toEqual({
    status: 503,
    code: "cooling_down",
    message: "All services are cooling down; the first is back in 42 s.",
    retryAfter: "42",
  });
});

test("one that is out for good among them makes it an ordinary 503", async () => {
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, two), out({ a: 90_000, b: undefined })] });
  expect(await answerOf(proxy)).toMatchObject({ status: 503, code: "no_targets", retryAfter: "1" });
});

test("a target that two reporters hold is back when both let go", async () => {
  const [a] = two;
  const other = quickPlugin("other", (proxy) => {
    const reporter = proxy.reporter("other");
    proxy.onReady(() => reporter.down("a", "slow", 5_000));
  });
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, [a!]), out({ a: 20_000 }), other] });
  expect(await answerOf(proxy)).toMatchObject({ retryAfter: "20" });
});

test("targets that are switched off are no targets, and that is what is said", async () => {
  const off = two.map((spec) => ({ ...spec, enabled: false }));
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, off)] });
  expect(proxy.pools()[0]?.snapshot).toMatchObject({ all: [], available: [], disabled: [{ id: "a" }, { id: "b" }] });
  expect(await answerOf(proxy)).toEqual({
    status: 404,
    code: "model_disabled",
    message: "No enabled providers available.",
    retryAfter: null,
  });
});

test("one that is switched off takes nothing while another is on", async () => {
  const proxy = await openProxy({ plugins: [memUpstream(sayOk, [{ ...two[0]!, enabled: false }, two[1]!])] });
  for (let i = 0; i < 5; i++) expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("b");
});

test("a target takes no more attempts than its limit; another does, and when all are full it is a 503", async () => {
  const held: MemCall[] = [];
  const limited = two.map((spec) => ({ ...spec, maxConcurrency: 2 }));
  const proxy = await openProxy({ plugins: [memUpstream((call) => void held.push(call), limited)] });
  const running = Array.from({ length: 4 }, () => proxy.fetch(new Request("http://proxy/")));
  await expect.poll(() => held.length).toBe(4);
  expect(held.map(({ target }) => target.id).toSorted()).toEqual(["a", "a", "b", "b"]);
  expect(await answerOf(proxy)).toMatchObject({ status: 503, code: "overloaded", message: "All services are busy." });
  sayOk(held[0]!);
  await Promise.race(running);
  const next = proxy.fetch(new Request("http://proxy/"));
  await expect.poll(() => held.length).toBe(5);
  expect(held[4]?.target.id).toBe(held[0]?.target.id);
  for (const call of held.slice(1)) sayOk(call);
  await Promise.all([...running, next].map(async (response) => (await response).text()));
});
