import { defineSelector, type HookMap, type Plugin, ProxyError, type Relay, type Selector } from "plugboard";
import { describe, expect, test } from "vitest";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy, type OpenProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const boom = (): never => {
  throw new Error("boom");
};
const later = async (): Promise<never> => boom();
const selector = (own: Partial<Selector>): Plugin =>
  defineSelector({ name: "guilty", create: () => ({ pick: ([first]) => first, ...own }) })();
const relay = (own: Partial<Relay>, match: () => boolean = () => true): Plugin =>
  quickPlugin("guilty", (proxy) =>
    proxy.provide("relay", "guilty", { match, create: () => ({ data: (chunk) => chunk, ...own }) }),
  );
const guilty = (map: HookMap): Plugin => hooks(map, "guilty");
const get = (proxy: OpenProxy): Promise<Response> => proxy.fetch(new Request("http://proxy/path"));

describe("what throws before the head is written is answered with 500 and logged by the plugin's name", () => {
  test.each([
    ["request", guilty({ request: boom }), "request"],
    ["request, later", guilty({ request: later }), "request"],
    ["inspect", guilty({ inspect: boom }), "inspect"],
    ["resolve", guilty({ resolve: boom }), "resolve"],
    ["admit", guilty({ admit: later }), "admit"],
    ["upstreamRequest", guilty({ upstreamRequest: boom }), "upstreamRequest"],
    ["upstreamResponse", guilty({ upstreamResponse: boom }), "upstreamResponse"],
    ["a selector's pick", selector({ pick: boom }), "select"],
    ["a selector's update", selector({ update: boom }), "select"],
    ["a selector's attemptStart", selector({ attemptStart: boom }), ""],
    ["a relay's match", relay({}, boom), ""],
  ])("%s", async (_what, plugin, phase) => {
    const proxy = await openProxy({ plugins: [memUpstream(), plugin] });
    const response = await get(proxy);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "plugin_error" } });
    expect(proxy.lines).toEqual([expect.stringMatching(/^error: .*\bguilty\b[^]*Error: boom/)]);
    expect(proxy.lines[0]).toContain(phase);
  });
});

test.each([
  ["data", { data: boom }],
  ["end", { end: boom }],
])("a relay that throws in %s, after the head, is logged too", async (_what, own) => {
  const proxy = await openProxy({ plugins: [memUpstream(), relay(own)] });
  await get(proxy)
    .then((response) => response.text())
    .catch(() => {}); // Cut, as it must be.
  expect(proxy.lines).toEqual([expect.stringContaining("Error: boom")]);
});

test("an exchange that a plugin spoiled says so when it ends, by name", async () => {
  const ends: unknown[] = [];
  const observer = hooks({ end: (_x, outcome) => void ends.push(outcome) }, "observer");
  const proxy = await openProxy({ plugins: [memUpstream(), guilty({ admit: boom }), observer] });
  await (await get(proxy)).text();
  expect(ends).toMatchObject([
    { kind: "plugin", status: 500, error: { code: "plugin_error", plugin: "guilty", phase: "admit" } },
  ]);
});

test("a ProxyError is meant: it is the answer, and nobody's fault", async () => {
  const meant = (): never => {
    throw new ProxyError("rate_limited", "Slow down.");
  };
  const proxy = await openProxy({ plugins: [memUpstream(), guilty({ admit: meant })] });
  const response = await get(proxy);
  expect(response.status).toBe(429);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toMatchObject({ error: { message: "Slow down.", code: "rate_limited" } });
  expect(proxy.lines).toEqual([]);
});

describe("observers cannot spoil anything", () => {
  test.each([
    ["attemptEnd", guilty({ attemptEnd: boom })],
    ["end", guilty({ end: boom })],
    ["a selector's attemptEnd", selector({ attemptEnd: boom })],
  ])("%s", async (_what, plugin) => {
    const proxy = await openProxy({ plugins: [memUpstream(), plugin] });
    expect(await (await get(proxy)).text()).toBe("mem://a");
    expect(proxy.lines).toEqual([expect.stringMatching(/^error: (?:plugin|selector) guilty threw in [^]*Error: boom/)]);
    expect(proxy.status().active).toBe(0);
  });
});

describe("JavaScript that the types would have refused", () => {
  test.each([
    ["a gate that returns null", { request: (): never => null as never }],
    ["a gate that returns a text", { admit: (): never => "no" as never }],
    ["a resolve that returns a text", { resolve: (): never => "fast" as never }],
    ["a resolve that returns an object of its own", { resolve: (): never => ({ pool: "default" }) as never }],
    ["a resolve that returns null", { resolve: (): never => null as never }],
  ] as const)("%s is a plugin's fault, in our words", async (_what, map) => {
    const proxy = await openProxy({ plugins: [memUpstream(), guilty(map)] });
    const response = await get(proxy);
    expect(response.status).toBe(500);
    expect(response.headers.get("x-proxy-error")).toBe("plugin_error");
  });

  test("a relay that returns no bytes is a plugin's fault, and not the upstream's", async () => {
    const proxy = await openProxy({ plugins: [memUpstream(), relay({ data: () => ({}) as never })] });
    await get(proxy)
      .then((response) => response.text())
      .catch(() => {}); // Cut, as it must be.
    expect(proxy.lines.join("\n")).toMatch(/\bguilty\b/);
    expect(proxy.pools()[0]?.snapshot.all[0]?.live).toMatchObject({ failures: 0, inflight: 0 });
  });

  test("a selector that picks something else is a plugin's fault", async () => {
    const proxy = await openProxy({ plugins: [memUpstream(), selector({ pick: () => ({ id: "x" }) as never })] });
    expect((await get(proxy)).headers.get("x-proxy-error")).toBe("plugin_error");
    expect(proxy.lines[0]).toContain("picked something that is not one of its targets");
  });

  test("an upstreamResponse that answers later is waited for by nobody, and kills nobody", async () => {
    const proxy = await openProxy({
      plugins: [memUpstream(sayOk), guilty({ upstreamResponse: (async () => {}) as never })],
    });
    expect((await get(proxy)).status).toBe(200);
  });
});
