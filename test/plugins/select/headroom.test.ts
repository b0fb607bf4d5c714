import type { RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { createProxy, definePlugin, type Plugin } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { alias } from "plugboard/plugins/resolve/alias";
import { fallback } from "plugboard/plugins/select/fallback";
import { headroom } from "plugboard/plugins/select/headroom";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { testPlugin, testSelector } from "plugboard/testing";
import { limited, listen, noon, requests } from "./limited.ts";
import { saying, withProxy } from "./upstreams.ts";

const day = 86_400_000;
const now = () => noon;

describe("of targets that have told nothing", () => {
  testSelector({ test, create: () => headroom({ now }), law: ["best", "frugal"] });
});

describe("of targets with quotas", () => {
  const quotas = {
    t5: { requests: 5, window: day },
    t6: { tokens: 100, window: 1_000 },
    t9: { requests: 1, window: 1 },
  };
  testSelector({ test, create: () => headroom({ now, quotas }), law: ["best", "frugal"] });
});

testPlugin({
  test,
  create: () => headroom({ quotas: { a: { requests: 5, window: day } } }),
  badOptions: [
    { options: { quotas: { a: { requests: 5 } } }, says: "quotas.a.window: Expected a quota such as" },
    { options: { quotas: { a: { window: day } } }, says: "quotas.a: Expected requests, tokens or both" },
    { options: { quotas: { a: { requests: 0, window: day } } }, says: "quotas.a.requests: Expected a number above 0" },
    { options: { quotas: { a: { tokens: NaN, window: day } } }, says: "quotas.a.tokens: Expected a number above 0" },
    { options: { quotas: { a: { tokens: 1, window: Infinity } } }, says: "quotas.a.window: Expected a number above 0" },
    { options: { quotas: { a: { token: 1, window: day } } }, says: 'did you mean "tokens"?' },
    { options: { now: 5 }, says: "now: Expected a function" },
  ],
});

/** What the answers to so many requests said. */
async function answers(plugin: Plugin, listeners: readonly RequestListener[], count: number): Promise<string[]> {
  const said: string[] = [];
  await withProxy(plugin, listeners, async (get) => {
    for (let i = 0; i < count; i++) said.push(await get());
  });
  return said;
}

test("sends to the upstream that told of the most room", async () => {
  const upstreams = [limited("a", requests(20, "60s")), limited("b", requests(90, "60s"))];
  expect(await answers(headroom({ now }), upstreams, 6)).toEqual(["a", "b", "b", "b", "b", "b"]);
});

test("spends first what expires first", async () => {
  const soon = limited("soon", requests(50, "30s"));
  const late = limited("late", requests(90, "2m0s"));
  expect(await answers(headroom({ now }), [late, soon], 4)).toEqual(["late", "soon", "soon", "soon"]);
});

test.each([
  [100, 10],
  [1, 1_000],
])("heeds the lowest of an upstream's meters: %i of 100 requests, %i of 1000 tokens", async (left, tokensLeft) => {
  const narrow = {
    ...requests(left, "60s"),
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": `${tokensLeft}`,
    "x-ratelimit-reset-tokens": "60s",
  };
  const upstreams = [limited("narrow", narrow), limited("wide", requests(50, "60s"))];
  expect(await answers(headroom({ now }), upstreams, 4)).toEqual(["narrow", "wide", "wide", "wide"]);
});

test("leaves one alone that answered 429 until the time it named, and then takes it for full", async () => {
  let time = noon;
  const upstreams = [limited("a", { status: "429", "retry-after": "20" }, requests(100, "60s")), saying("b")];
  await withProxy(headroom({ now: () => time }), upstreams, async (get) => {
    expect([await get(), await get(), await get()]).toEqual(["a", "b", "b"]);
    time += 19_999;
    expect(await get()).toBe("b");
    time += 1;
    // Neither has told of a limit: they take turns.
    expect(new Set([await get(), await get()])).toEqual(new Set(["a", "b"]));
  });
});

test("takes a meter that is past its reset for full", async () => {
  let time = noon;
  const upstreams = [limited("empty", requests(0, "60s")), limited("half", requests(50, "10m0s"))];
  await withProxy(headroom({ now: () => time }), upstreams, async (get) => {
    expect([await get(), await get(), await get()]).toEqual(["empty", "half", "half"]);
    time += 60_000;
    expect(await get()).toBe("empty");
    expect(await get()).toBe("half");
  });
});

test("takes one that told nothing for the median of those with room", async () => {
  const heads = [0, 10, 90, 40].map((remaining) => requests(remaining, "60s"));
  const upstreams = await listen([...heads.map((head) => limited("told", head)), saying("unknown")]);
  const proxy = await createProxy({ plugins: [staticTargets({ targets: upstreams.urls }), headroom({ now })] });
  const scores = async () => (await proxy.explain()).candidates.map(({ score }) => Math.round(score!));
  try {
    expect(await scores()).toEqual([1, 1, 1, 1, 1]);
    // At once: before any answer is there they take turns.
    await Promise.all(Array.from({ length: 4 }, () => proxy.fetch(new Request("http://proxy/"))));
    expect(await scores()).toEqual([0, 6, 54, 24, 24]);
    expect(upstreams.hits).toEqual([1, 1, 1, 1, 0]);
  } finally {
    await proxy.close();
    await upstreams.close();
  }
});

test("does not take one that told nothing for used up where all others are", async () => {
  const upstreams = [limited("none", requests(0, "60s")), saying("unknown")];
  expect(await answers(headroom({ now }), upstreams, 3)).toEqual(["none", "unknown", "unknown"]);
});

test("spreads what comes at once: a request under way takes its part of what was left", async () => {
  const upstreams = [limited("a", requests(10, "60s")), limited("b", requests(11, "60s"))];
  await withProxy(headroom({ now }), upstreams, async (get) => {
    await get();
    await get();
    // By what the answers told alone, all of these would go to b.
    const said = await Promise.all(Array.from({ length: 6 }, get));
    expect(said.filter((word) => word === "a").length).toBeGreaterThanOrEqual(2);
  });
});

test("reads the answers when it is a part of another selector", async () => {
  const upstreams = [limited("a", requests(20, "60s")), limited("b", requests(90, "60s"))];
  expect(await answers(fallback(headroom({ now }), roundRobin()), upstreams, 4)).toEqual(["a", "b", "b", "b"]);
});

test("sees what a plugin behind it refuses, and its retry goes elsewhere", async () => {
  const refuse = definePlugin({
    name: "refuse",
    setup: () => ({ upstreamResponse: (_x, { status }) => (status === 429 ? "retry" : undefined) }),
  });
  const full = limited("full", { status: "429", "retry-after": "20" });
  const targets = await listen([full, limited("open")]);
  const proxy = await createProxy({ plugins: [staticTargets({ targets: targets.urls }), headroom({ now }), refuse()] });
  try {
    const said: string[] = [];
    for (let i = 0; i < 3; i++) said.push(await (await proxy.fetch(new Request("http://proxy/"))).text());
    expect(said).toEqual(["open", "open", "open"]);
    expect(targets.hits[0]).toBe(1);
  } finally {
    await proxy.close();
    await targets.close();
  }
});

test("keeps what it knows over a reload of the config, and forgets targets that are gone", async () => {
  const upstreams = await listen([limited("a", requests(30, "60s")), limited("b", requests(60, "60s"))]);
  const config = (urls: readonly string[], wanted: object = {}) => ({
    plugins: [
      staticTargets({ targets: urls.map((url, index) => ({ id: `t${index}`, url, meta: { wanted } })) }),
      headroom({ now }),
    ],
  });
  const proxy = await createProxy(config(upstreams.urls));
  const notes = async () => (await proxy.explain()).candidates.map(({ reason }) => reason);
  try {
    for (let i = 0; i < 2; i++) await (await proxy.fetch(new Request("http://proxy/"))).text();
    const known = ["30 of 100 requests left for 60 s", "60 of 100 requests left for 60 s"];
    expect(await notes()).toEqual(known);
    await proxy.reload(config(upstreams.urls, { changed: true }));
    expect(await notes()).toEqual(known);
    await proxy.reload(config(upstreams.urls.slice(0, 1)));
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    await proxy.reload(config(upstreams.urls));
    expect(await notes()).toEqual([known[0], "has told no limits, counts as the median"]);
  } finally {
    await proxy.close();
    await upstreams.close();
  }
});

test("explains each meter, and what it waits for", async () => {
  const head = {
    ...requests(40, "2m0s"),
    status: "429",
    "retry-after": "20",
    ratelimit: "limit=10, remaining=9, reset=300",
  };
  const upstreams = await listen([limited("a", head)]);
  const proxy = await createProxy({ plugins: [staticTargets({ targets: upstreams.urls }), headroom({ now })] });
  try {
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect((await proxy.explain()).candidates[0]).toMatchObject({
      score: 0,
      reason: "asked to wait for 20 s, 40 of 100 requests left for 2 min, 9 of 10 of its rate limit left for 5 min",
    });
  } finally {
    await proxy.close();
    await upstreams.close();
  }
});

test("each model of a target has meters of its own", async () => {
  const byModel: RequestListener = (req, res) => {
    let body = "";
    req.on("data", (chunk: Buffer) => void (body += chunk.toString()));
    req.on("end", () => {
      const { model } = JSON.parse(body) as { model: string };
      res.writeHead(200, requests(model === "m1" ? 10 : 70, "60s")).end();
    });
  };
  const upstreams = await listen([byModel]);
  const targets = upstreams.urls.map((url) => ({ url, models: ["m1", "m2"] }));
  const aliases = { one: { targets: [{ model: "m1" }] }, two: { targets: [{ model: "m2" }] } };
  const proxy = await createProxy({ plugins: [staticTargets({ targets }), alias(aliases), headroom({ now })] });
  try {
    const notes: (string | undefined)[] = [];
    for (const model of ["one", "two"]) {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ model });
      await (await proxy.fetch(new Request("http://proxy/", { method: "POST", headers, body }))).text();
    }
    for (const model of ["one", "two"]) {
      notes.push((await proxy.explain({ body: JSON.stringify({ model }) })).candidates[0]?.reason);
    }
    expect(notes).toEqual(["10 of 100 requests left for 60 s", "70 of 100 requests left for 60 s"]);
  } finally {
    await proxy.close();
    await upstreams.close();
  }
});
