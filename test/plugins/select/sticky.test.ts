import { describe, expect, test } from "vitest";
import { createProxy, type Outcome, type Plugin, type Target, viewTarget } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { sticky } from "plugboard/plugins/select/sticky";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { listening } from "./listening.ts";
import { by, end, fresh } from "./sticky-rig.ts";
import { saying, withProxy } from "./upstreams.ts";

const create = () => sticky("header:x-session-id", leastConnections());

testSelector({
  test,
  create,
  law: ["sticky", "frugal"],
  exchange: (key) => ({ headers: { "x-session-id": `s${key}` } }),
  keyless: () => ({ headers: {} }),
});

const required = { key: "ip", inner: leastConnections() };

testPlugin({
  test,
  create,
  badOptions: [
    { options: { inner: leastConnections() }, says: "key" },
    { options: { key: "cookie", inner: leastConnections() }, says: 'key: Expected "header:NAME"' },
    { options: { key: "ip" }, says: "inner" },
    { options: { key: "ip", inner: "random" }, says: "inner: Expected a selector such as leastConnections()" },
    { options: { ...required, ttl: 0 }, says: "ttl: Expected milliseconds, 1 or more" },
    { options: { ...required, max: 0 }, says: "max: Expected 1 or more" },
    { options: { ...required, max: 1.5 }, says: "max: Expected a whole number" },
    { options: { ...required, now: 5 }, says: "now: Expected a function" },
    { options: { ...required, maxx: 5 }, says: 'did you mean "max"?' },
  ],
});

test("says what is missing when it was called without arguments", async () => {
  const [key, inner] = [] as unknown as ["ip", Plugin];
  await expect(createProxy({ plugins: [sticky(key, inner)] })).rejects.toThrow(/key: .*[^]*inner: /);
});

describe("a session", () => {
  test("goes where inner says until it was answered well, and then back there", async () => {
    const { targets, selector } = await fresh(3);
    expect([0, 1, 2, 3].map(() => selector.pick(targets, by("a"))?.id)).toEqual(["t1", "t2", "t3", "t1"]);
    end(selector, targets[1], "a");
    expect([0, 1, 2].map(() => selector.pick(targets, by("a"))?.id)).toEqual(["t2", "t2", "t2"]);
    expect(selector.pick(targets, by("b"))?.id).toBe("t2");
    expect(selector.pick(targets, by("b"))?.id).toBe("t3");
  });

  test("is kept apart from the same one for another model", async () => {
    const { targets, selector } = await fresh(3);
    selector.attemptEnd?.(targets[2] as Target, fakeOutcome(), { ...by("a"), model: "m" });
    expect(selector.pick(targets, { ...by("a"), model: "m" })?.id).toBe("t3");
    expect(selector.pick(targets, by("a"))?.id).toBe("t1");
  });

  test("learns nothing of an answer that is an error, or of none", async () => {
    const { targets, selector } = await fresh(3);
    end(selector, targets[1], "a");
    const bad: Partial<Outcome>[] = [
      { status: 400 },
      { status: 429 },
      { kind: "status", status: 500 },
      { kind: "connect", status: 0 },
      { kind: "client-abort", status: 200 },
      { kind: "stream-error", status: 200 },
      { kind: "stalled", status: 200 },
    ];
    for (const outcome of bad) end(selector, targets[2], "a", outcome);
    expect(selector.pick(targets, by("a"))?.id).toBe("t2");
    end(selector, targets[2], "b", { status: 399 });
    expect(selector.pick(targets, by("b"))?.id).toBe("t3");
  });

  test("moves with a retry that went well, and stays there", async () => {
    const { targets, selector } = await fresh(3);
    end(selector, targets[1], "a");
    const retry = { ...by("a"), tried: [targets[1] as Target] };
    const picked = selector.pick(Object.freeze([targets[0], targets[2]] as Target[]), retry) as Target;
    selector.attemptEnd?.(targets[1] as Target, fakeOutcome({ kind: "reset", status: 0 }), retry);
    selector.attemptEnd?.(picked, fakeOutcome(), retry);
    expect(selector.pick(targets, by("a"))).toBe(picked);
  });

  test("is learned anew when its target is not in the list, and comes back to one that was only down", async () => {
    const { targets, pool, selector } = await fresh(3);
    end(selector, targets[2], "a");
    pool.change(targets, targets.slice(0, 2));
    selector.update?.(pool.snapshot);
    expect(selector.pick(pool.snapshot.available, by("a"))?.id).toBe("t1");
    expect(selector.pick(targets, by("a"))?.id).toBe("t3");
    end(selector, targets[0], "a");
    expect(selector.pick(targets, by("a"))?.id).toBe("t1");
  });

  test("forgets a target that left the pool, even when one of its name comes back", async () => {
    const { targets, pool, selector } = await fresh(3);
    end(selector, targets[2], "a");
    for (const members of [targets.slice(0, 2), fakeTargets(3)]) {
      pool.change(members);
      selector.update?.(pool.snapshot);
    }
    expect(selector.pick(pool.snapshot.available, by("a"))?.id).toBe("t1");
  });

  test("stays with the face of a target that answered it, not with another of the same target", async () => {
    const { targets, selector } = await fresh(2);
    const faces = ["x", "y", "z"].map((model) => viewTarget(targets[0] as Target, { model }));
    end(selector, faces[1], "a");
    expect(selector.pick(Object.freeze(faces), by("a"))?.model).toBe("y");
    expect(selector.pick(Object.freeze(faces.toReversed()), by("a"))?.model).toBe("y");
    expect(selector.pick(targets, by("a"))?.id).toBe("t1");
  });

  test("leaves a target that is given no weight any more", async () => {
    const { targets, selector } = await fresh(2);
    end(selector, targets[1], "a");
    const drained = fakeTargets(2, (index) => ({ weight: 1 - index }));
    expect(selector.pick(drained, by("a"))?.id).toBe("t1");
    const idle = fakeTargets(2, { weight: 0 });
    expect(selector.pick(idle, by("a"))?.id).toBe("t2");
  });
});

test("passes on to inner what happens, with a key or without", async () => {
  const { plugin, heard } = listening();
  const { targets, pool, selector } = await fresh(2, {}, plugin);
  selector.update?.(pool.snapshot);
  for (const x of [by("a"), fakeExchange()]) {
    selector.attemptStart?.(targets[1] as Target, x);
    selector.attemptEnd?.(targets[1] as Target, fakeOutcome(), x);
  }
  expect(heard).toEqual(["update 2", "start t2", "end t2 200", "start t2", "end t2 200"]);
  expect(selector.explain?.(targets, by("a")).map(({ score }) => score)).toEqual([0, 1]);
});

describe("explains", () => {
  test("who answered the session last, above what inner says", async () => {
    const { targets, selector } = await fresh(3, {}, inOrder());
    end(selector, targets[1], "a");
    expect(selector.explain?.(targets, by("a"))).toEqual([
      { id: "t1", score: 3, note: "answered others; the first in order" },
      { id: "t2", score: 4, note: "answered its header:x-session-id last" },
      { id: "t3", score: 1, note: "answered others; number 3" },
    ]);
  });

  test("why inner decides", async () => {
    const { targets, selector } = await fresh(1, {}, inOrder());
    expect(selector.explain?.(targets, by("a"))[0]?.note).toBe("a new session; the first in order");
    expect(selector.explain?.(targets, fakeExchange())[0]?.note).toBe("no session key; the first in order");
  });
});

test("stays with the upstream that answered first, and with the next when that refuses", async () => {
  await withProxy(sticky("ip", roundRobin()), [saying("a"), saying("b"), saying("c")], async (get) => {
    const first = await get();
    expect([await get(), await get(), await get()]).toEqual([first, first, first]);
  });
  await withProxy(sticky("ip", inOrder()), [null, saying("b"), saying("c")], async (get) => {
    expect([await get(), await get()]).toEqual(["b", "b"]);
  });
});

test("requests of a new session that come at once agree on the target that answered first", async () => {
  const targets = fakeTargets(4);
  const selector = await selectorOf(sticky("header:x-session-id", roundRobin()), fakePool(targets));
  const x = fakeExchange({ headers: { "x-session-id": "ada" } });
  const running = Array.from({ length: 4 }, () => selector.pick(targets, x) as Target);
  expect(new Set(running).size).toBe(4);
  for (const target of [running[2], running[0], running[3], running[1]])
    selector.attemptEnd?.(target as Target, fakeOutcome(), x);
  expect(selector.pick(targets, x)?.id).toBe(running[2]?.id);
});
