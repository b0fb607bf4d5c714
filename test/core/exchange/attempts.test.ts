import { defineSelector, type Exchange, type Plugin, ProxyError, type Target } from "plugboard";
import { describe, expect, test } from "vitest";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks } from "../quick-plugin.ts";
import { outcomeLog } from "./outcome-log.ts";

const targets = ["a", "b", "c"].map((id) => ({ id, url: `mem://${id}` }));

/** An upstream of three; the named ones fail so. */
function failing(ids: readonly string[], fail: (call: MemCall) => void): Plugin {
  return memUpstream((call) => (ids.includes(call.target.id) ? fail(call) : sayOk(call)), targets);
}

const first = defineSelector({ name: "first", pick: ([target]) => target })();
const refuse = ({ sink }: MemCall): void => sink.error(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
const reset = ({ sink }: MemCall): void => {
  sink.connected();
  sink.error(new Error("gone"));
};

test("each attempt ends before the next begins, and the exchange behind the last", async () => {
  const events: string[] = [];
  const observer = hooks({
    upstreamRequest: (x) => void events.push(`begin ${x.target?.id} ${x.attempt}`),
    attemptEnd: (_x, target, { kind }) => void events.push(`${kind} ${target.id}`),
    end: (_x, { kind, status }) => void events.push(`end ${kind} ${status}`),
  });
  const proxy = await openProxy({ plugins: [failing(["a", "b"], refuse), first, observer] });
  expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("c");
  expect(events).toEqual(["begin a 1", "connect a", "begin b 2", "connect b", "begin c 3", "ok c", "end ok 200"]);
});

test("what the exchange says of itself is right at each attempt", async () => {
  const seen: unknown[] = [];
  const look = (x: Exchange): void =>
    void seen.push({ target: x.target?.id, attempt: x.attempt, tried: x.tried.map(({ id }) => id), done: x.committed });
  const proxy = await openProxy({ plugins: [failing(["a"], reset), first, hooks({ upstreamRequest: look })] });
  await (await proxy.fetch(new Request("http://proxy/"))).text();
  expect(seen).toEqual([
    { target: "a", attempt: 1, tried: [], done: false },
    { target: "b", attempt: 2, tried: ["a"], done: false },
  ]);
});

test("what one attempt was given is nothing the next one sees", async () => {
  const paths: string[] = [];
  const upstream = memUpstream((call) => {
    paths.push(`${call.x.upstream.path} ${String(call.x.upstream.headers["x-added"])}`);
    (call.target.id === "a" ? refuse : sayOk)(call);
  }, targets);
  const edit = hooks({
    upstreamRequest({ upstream: request, attempt }) {
      request.path += `/${attempt}`;
      if (attempt === 1) request.headers["x-added"] = "once";
    },
  });
  const proxy = await openProxy({ plugins: [upstream, first, edit] });
  await (await proxy.fetch(new Request("http://proxy/p"))).text();
  expect(paths).toEqual(["/p/1 once", "/p/2 undefined"]);
});

test("failures are counted where they happened, each once", async () => {
  const log = outcomeLog();
  const proxy = await openProxy({ plugins: [failing(["a", "b", "c"], reset), log.plugin] });
  const response = await proxy.fetch(new Request("http://proxy/"));
  expect(response.status).toBe(502);
  const live = proxy
    .pools()[0]
    ?.snapshot.all.map(({ live: { requests, failures, inflight } }: Target) => [requests, failures, inflight]);
  expect(live).toEqual(Array.from({ length: 3 }, () => [1, 1, 0]));
  expect(log.ends).toMatchObject([{ kind: "reset", status: 502, error: { code: "upstream_reset" } }]);
});

describe("a transport that misbehaves", () => {
  test.each<[string, (call: MemCall) => void, number]>([
    [
      "throws",
      () => {
        throw new Error("boom");
      },
      500,
    ],
    [
      "tells of an error and throws",
      (call) => {
        refuse(call);
        throw new Error("boom");
      },
      502,
    ],
    [
      "tells of an error twice",
      (call) => {
        refuse(call);
        refuse(call);
      },
      502,
    ],
    [
      "goes on after the end",
      (call) => {
        sayOk(call);
        sayOk(call);
        reset(call);
      },
      200,
    ],
    [
      "goes on after an error",
      (call) => {
        reset(call);
        sayOk(call);
      },
      502,
    ],
  ])("%s: the attempt ends once, and the target's count is right", async (_what, answer, status) => {
    const log = outcomeLog();
    const proxy = await openProxy({ plugins: [memUpstream(answer), log.plugin] });
    const response = await proxy.fetch(new Request("http://proxy/"));
    await response.text();
    expect(response.status).toBe(status);
    expect(log.told.map(({ hook }) => hook)).toEqual(["attemptEnd", "end"]);
    expect(proxy.pools()[0]?.snapshot.all[0]?.live).toMatchObject({ inflight: 0, requests: 1 });
  });
});

describe("a fault that is nobody's upstream's", () => {
  test.each([
    ["no connection to spare", Object.assign(new Error("too many"), { code: "EMFILE" }), 503],
    ["a request that cannot be sent", Object.assign(new Error("bad header"), { code: "UND_ERR_INVALID_ARG" }), 500],
    ["an error that a transport means", new ProxyError("overloaded", "Full."), 503],
  ])("%s is not counted as the target's failure", async (_what, error, status) => {
    const proxy = await openProxy({ plugins: [memUpstream(({ sink }) => sink.error(error))] });
    expect((await proxy.fetch(new Request("http://proxy/"))).status).toBe(status);
    expect(proxy.pools()[0]?.snapshot.all[0]?.live).toMatchObject({ failures: 0, lastFailure: 0, requests: 1 });
  });
});

test("the time to the head is averaged over the attempts that saw one", async () => {
  const proxy = await openProxy({ plugins: [failing(["a"], refuse), first] });
  await (await proxy.fetch(new Request("http://proxy/"))).text();
  const [a, b] = proxy.pools()[0]?.snapshot.all.map(({ live }) => live.ttfb) ?? [];
  expect(a).toBe(0);
  expect(b).toBeGreaterThan(0);
});
