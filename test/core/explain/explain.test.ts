import { defineSelector, type Plugin, type Score } from "plugboard";
import { describe, expect, test } from "vitest";
import { explainConfig } from "../../../core/explain/explain.ts";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const targets = [
  { id: "a", url: "mem://a", models: ["m"] },
  { id: "b", url: "mem://b/v1", models: ["other"] },
  { id: "c", url: "mem://c", models: ["m"], weight: 0 },
  { id: "d", url: "mem://d", models: ["m"] },
];
const mem = memUpstream(sayOk, targets);
const note = (phase: "request" | "inspect" | "admit" | "upstreamRequest", text: string): Plugin =>
  hooks({ [phase]: (x: { notes: string[] | undefined }) => void x.notes?.push(text) }, `${phase} ${text}`);
const routed = (own: { why?: () => string } = {}): Plugin =>
  quickPlugin("routed", (proxy) => {
    const route = proxy.createRoute({
      name: "narrow",
      candidates: (all) => all.filter(({ models }) => models.includes("m")),
      ...own,
    });
    return { resolve: () => route };
  });

test("the compiled order of hooks is told, phase by phase", async () => {
  const late = quickPlugin("late", () => ({ request: { handler: () => {}, after: ["early"] }, end: () => undefined }));
  const proxy = await openProxy({ plugins: [late, hooks({ request: () => {} }, "early")] });
  expect((await proxy.explain()).hooks).toEqual({ request: ["early", "late"], end: ["late"] });
});

test("what each phase says comes in order", async () => {
  const proxy = await openProxy({
    plugins: [
      mem,
      note("upstreamRequest", "signed"),
      note("admit", "in"),
      note("request", "first"),
      note("request", "second"),
      note("inspect", "saw"),
    ],
  });
  expect((await proxy.explain()).steps).toEqual([
    { phase: "request", note: "first" },
    { phase: "request", note: "second" },
    { phase: "inspect", note: "saw" },
    { phase: "admit", note: "in" },
    { phase: "upstreamRequest", note: "signed" },
  ]);
});

test("a real exchange has no notes: nobody reads them", async () => {
  const seen: unknown[] = [];
  const proxy = await openProxy({ plugins: [mem, hooks({ request: (x) => void seen.push(x.notes) })] });
  await (await proxy.fetch(new Request("http://proxy/"))).text();
  expect(seen).toEqual([undefined]);
});

describe("candidates", () => {
  test("are all targets of the pool, kept or dropped, with the reason", async () => {
    const reporting = quickPlugin("reporting", (proxy) => {
      const [probe, admin] = [proxy.reporter("probe"), proxy.reporter("admin")];
      proxy.onReady(() => {
        probe.down("d", "no answer");
        admin.down("d", "by hand");
      });
    });
    const proxy = await openProxy({ plugins: [mem, routed(), reporting] });
    expect((await proxy.explain()).candidates).toEqual([
      { id: "a", url: "mem://a", kept: true, reason: "" },
      { id: "c", url: "mem://c", kept: false, reason: "its weight is 0" },
      { id: "d", url: "mem://d", kept: false, reason: "down by probe: no answer; down by admin: by hand" },
      { id: "b", url: "mem://b/v1", kept: false, reason: "not a candidate of route narrow" },
    ]);
  });

  test("that a route drops are dropped in the route's words", async () => {
    const proxy = await openProxy({ plugins: [mem, routed({ why: () => "does not serve m" })] });
    expect((await proxy.explain()).candidates.at(-1)).toMatchObject({ kept: false, reason: "does not serve m" });
  });

  test("that plugins drop are dropped by name, and never seen by the selector", async () => {
    const seen: string[] = [];
    const scoring = defineSelector({
      name: "scoring",
      create: () => ({
        pick: ([one]) => one,
        explain: (all): Score[] => all.map(({ id }) => (seen.push(id), { id, score: 1 })),
      }),
    });
    const dropping = (id: string, name: string): Plugin =>
      hooks(
        {
          candidates(x, all) {
            x.notes?.push(`${name} dropped ${id}`);
            return all.filter((target) => target.id !== id);
          },
        },
        name,
      );
    const plugins = [mem, scoring(), dropping("a", "by-role"), dropping("b", "by-hand")];
    const { candidates, attempts, steps } = await (await openProxy({ plugins })).explain();
    expect(candidates.map(({ id, kept, reason }) => [id, kept, reason])).toEqual([
      ["a", false, "dropped by plugin by-role"],
      ["b", false, "dropped by plugin by-hand"],
      ["c", false, "its weight is 0"],
      ["d", true, ""],
    ]);
    expect([seen, attempts]).toEqual([["d"], ["d"]]);
    expect(steps).toEqual([
      { phase: "candidates", note: "by-role dropped a" },
      { phase: "candidates", note: "by-hand dropped b" },
    ]);
  });

  test("have the selector's scores and words", async () => {
    const scoring = defineSelector({
      name: "scoring",
      create: () => ({
        pick: ([first]) => first,
        explain: (all): Score[] =>
          all.map(({ id }, i) => (i === 0 ? { id, score: 9, note: "nearest" } : { id, score: 1 })),
      }),
    });
    const proxy = await openProxy({ plugins: [mem, routed(), scoring()] });
    const { candidates } = await proxy.explain();
    expect(candidates.filter(({ kept }) => kept)).toEqual([
      { id: "a", url: "mem://a", kept: true, reason: "nearest", score: 9 },
      { id: "d", url: "mem://d", kept: true, reason: "", score: 1 },
    ]);
  });
});

describe("attempts", () => {
  const all = memUpstream(
    sayOk,
    ["a", "b", "c", "d", "e"].map((id) => ({ id, url: `mem://${id}` })),
  );
  const last = defineSelector({ name: "last", pick: (left) => left.at(-1) })();

  test("come in the order in which the selector would try them, each once", async () => {
    const proxy = await openProxy({ plugins: [all, last], retry: { attempts: 4 } });
    expect((await proxy.explain()).attempts).toEqual(["e", "d", "c", "b"]);
  });

  test("are no more than there are targets, or than the route allows", async () => {
    const many = await openProxy({ plugins: [all, last], retry: { attempts: 9 } });
    const one = await openProxy({ plugins: [all, last], retry: { attempts: 1 } });
    expect((await many.explain()).attempts).toHaveLength(5);
    expect((await one.explain()).attempts).toEqual(["e"]);
  });

  test("go to the first: its request is the one that is shown", async () => {
    const proxy = await openProxy({ plugins: [all, last] });
    const { upstream, route } = await proxy.explain({
      path: "/x?y",
      headers: { "X-A": "1", Connection: "x-b", "X-B": "2" },
    });
    expect(upstream).toMatchObject({ method: "GET", url: "mem://e/x?y", body: undefined });
    expect(upstream?.headers).toMatchObject({ "x-a": "1", via: "1.1 plugboard" });
    expect(upstream?.headers).not.toHaveProperty("x-b");
    expect(route).toEqual({ name: "default", pool: "default", selector: "last" });
  });

  test("end where the selector wants none", async () => {
    const picky = defineSelector({ name: "picky", pick: (left) => left.find(({ id }) => id === "b") })();
    const proxy = await openProxy({ plugins: [all, picky] });
    expect((await proxy.explain()).attempts).toEqual(["b"]);
  });
});

describe("a request that goes nowhere", () => {
  test("says so in the words of the error, and who was dropped why", async () => {
    const nobody = memUpstream(sayOk, [{ id: "a", url: "mem://a", models: ["x"] }]);
    const proxy = await openProxy({ plugins: [nobody, routed({ why: () => "does not serve m" })] });
    const explanation = await proxy.explain();
    expect(explanation).toMatchObject({
      attempts: [],
      upstream: undefined,
      reply: { status: 503, code: "no_targets" },
      candidates: [{ id: "a", kept: false, reason: "does not serve m" }],
    });
  });

  test("has no route before one was found", async () => {
    const proxy = await openProxy({ plugins: [mem, hooks({ request: () => ({ status: 401 }) })] });
    expect(await proxy.explain()).toMatchObject({
      route: undefined,
      candidates: [],
      attempts: [],
      upstream: undefined,
      reply: { status: 401, code: undefined, body: "" },
    });
  });

  test("keeps the notes of the phase that ended it", async () => {
    const gate = hooks({
      inspect(x) {
        x.notes?.push("no key");
        return { status: 401 };
      },
    });
    expect((await (await openProxy({ plugins: [mem, gate] })).explain()).steps).toEqual([
      { phase: "inspect", note: "no key" },
    ]);
  });
});

describe("a config that does not run", () => {
  test("is explained with what discovery says, and without anything being opened", async () => {
    const log: string[] = [];
    const busy = quickPlugin("busy", (proxy) => {
      log.push(proxy.mode);
      proxy.every(1, () => void log.push("task"), { immediate: true });
      proxy.onReady(() => void log.push("ready"));
      proxy.onClose(() => void log.push("closed"));
    });
    const { attempts } = await explainConfig({ plugins: [mem, busy] }, {});
    expect(attempts.length).toBeGreaterThan(0);
    expect(log).toEqual(["check", "closed"]);
  });

  test("that is wrong is refused as ever", async () => {
    await expect(explainConfig({ plugins: [mem, mem], port: -1 }, {})).rejects.toThrow("port");
  });
});
