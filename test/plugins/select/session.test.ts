import { describe, expect, test } from "vitest";
import type { Exchange, Selector, Target } from "plugboard";
import { leastConnections } from "plugboard/plugins/select/least-connections";
import { inOrder } from "plugboard/plugins/select/in-order";
import { session } from "plugboard/plugins/select/session";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  type FakeTarget,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { listening } from "./listening.ts";
import { posting, postThrough } from "./select-bodies.ts";
import { saying, withProxy } from "./upstreams.ts";

const create = () => session();

testSelector({
  test,
  create,
  law: ["consistent", "frugal"],
  exchange: (key) => ({ headers: { "x-session-id": `s${key}` } }),
  keyless: () => ({ headers: {} }),
});

testPlugin({
  test,
  create,
  badOptions: [
    { options: { key: "header" }, says: 'key: Expected "header:NAME"' },
    { options: { key: "header:" }, says: 'key: Expected "header:NAME"' },
    { options: { key: ["ip", "coookie:a"] }, says: 'key.1: Expected "header:NAME"' },
    { options: { key: [] }, says: "key: Expected at least one key" },
    { options: { bound: 0.9 }, says: "bound: Expected a number of 1 or more, or false" },
    { options: { bound: "2" }, says: "bound: Expected a number of 1 or more, or false" },
    { options: { inner: "random" }, says: "inner: Expected a selector such as leastConnections()" },
    { options: { keys: "ip" }, says: 'did you mean "key"?' },
  ],
});

test("looks at the session header, then the prompt cache key, then the forwarded address", async () => {
  const targets = fakeTargets(50);
  const selector = await fresh(targets);
  const headers = { "x-forwarded-for": "1.2.3.4" };
  const all = posting({ prompt_cache_key: "a" }, { headers: { ...headers, "x-session-id": "s" } });
  const cached = posting({ prompt_cache_key: "a" }, { headers });
  const forwarded = fakeExchange({ headers });
  expect(selector.pick(targets, all)).toBe(selector.pick(targets, by("s")));
  expect(selector.pick(targets, cached)).toBe(selector.pick(targets, posting({ prompt_cache_key: "a" })));
  const picked = [all, cached, forwarded].map((x) => selector.pick(targets, x)?.id);
  expect(new Set(picked).size).toBe(3);
});

test("leaves requests without a key to the inner selector", async () => {
  const targets = fakeTargets(3, (index) => ({ live: { inflight: [2, 0, 1][index] ?? 0 } }));
  expect((await fresh(targets)).pick(targets, fakeExchange())?.id).toBe("t2");
  const selector = await selectorOf(session({ inner: inOrder() }), fakePool(targets));
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t1");
});

test("takes the default selector for one that is given as undefined", async () => {
  const targets = fakeTargets(2, (index) => ({ live: { inflight: 1 - index } }));
  const options = { inner: undefined } as unknown as { inner: ReturnType<typeof leastConnections> };
  const selector = await selectorOf(session(options), fakePool(targets));
  expect(selector.pick(targets, fakeExchange())?.id).toBe("t2");
});

test("sends the same sessions of another model elsewhere", async () => {
  const targets = fakeTargets(10);
  const selector = await fresh(targets);
  const [one, other] = ["a", "b"].map((model) => many(200).map((x) => selector.pick(targets, { ...x, model })?.id));
  const same = one?.filter((id, i) => id === other?.[i]).length;
  // 200 trials of one in ten: mean 20, deviation 4.2; five of them is one case in two million.
  expect(same).toBeLessThan(42);
});

describe("the bound", () => {
  test("lends a hot session to its second choice, and takes it home again", async () => {
    const targets = fakeTargets(4);
    const selector = await fresh(targets);
    const x = by("hot");
    const [home, second] = choices(selector, targets, x);
    expect(selector.pick(targets, x)).toBe(home);
    load(home, 1);
    expect(selector.pick(targets, x)).toBe(second);
    load(second, 1);
    const third = selector.pick(targets, x);
    expect([home, second]).not.toContain(third);
    load(home, 0);
    expect(selector.pick(targets, x)).toBe(home);
  });

  test("holds for every target at every load: ceil(bound * requests * weight / weights)", async () => {
    for (const bound of [1, 1.25, 2]) {
      const targets = fakeTargets(7, (index) => ({ weight: [1, 1, 2, 4, 0.5, 1, 0][index] ?? 1 }));
      const selector = await selectorOf(session({ bound }), fakePool(targets));
      const total = targets.reduce((sum, { weight }) => sum + weight, 0);
      for (let under = 1; under <= 400; under++) {
        const picked = selector.pick(targets, by(`k${under % 5}`)) as FakeTarget;
        picked.live.inflight += 1;
        expect(picked.live.inflight).toBeLessThanOrEqual(Math.ceil((bound * under * picked.weight) / total + 1e-9));
      }
    }
  });

  test("of false leaves a session where it is", async () => {
    for (const bound of [false, Infinity] as const) {
      const targets = fakeTargets(4);
      const selector = await selectorOf(session({ bound }), fakePool(targets));
      const home = selector.pick(targets, by("hot")) as FakeTarget;
      load(home, 1_000);
      expect(selector.pick(targets, by("hot"))).toBe(home);
    }
  });

  test("does not count below zero", async () => {
    const targets = fakeTargets(4);
    const selector = await fresh(targets);
    const [home, second] = choices(selector, targets, by("hot"));
    const [third, fourth] = targets.filter((target) => target !== home && target !== second) as [
      FakeTarget,
      FakeTarget,
    ];
    for (const [target, inflight] of [
      [home, 2],
      [third, 6],
      [fourth, -3],
    ] as const)
      load(target, inflight);
    // Of nine, this one included, three are its most; of six there would be two.
    expect(selector.pick(targets, by("hot"))).toBe(home);
  });
});

test("passes on to inner what happens, with a key or without", async () => {
  const { plugin, heard } = listening();
  const targets = fakeTargets(2);
  const pool = fakePool(targets);
  const selector = await selectorOf(session({ inner: plugin }), pool);
  selector.update?.(pool.snapshot);
  for (const x of [by("a"), fakeExchange()]) {
    selector.attemptStart?.(targets[1] as Target, x);
    selector.attemptEnd?.(targets[1] as Target, fakeOutcome(), x);
  }
  expect(heard).toEqual(["update 2", "start t2", "end t2 200", "start t2", "end t2 200"]);
});

describe("explains", () => {
  test("each target's place for the session, and who is over the bound", async () => {
    const targets = fakeTargets(4, (index) => ({ weight: index === 3 ? 0 : 1 }));
    const selector = await fresh(targets);
    const x = by("hot");
    const [home] = choices(selector, targets, x);
    load(home, 3);
    const scores = new Map(selector.explain?.(targets, x).map((score) => [score.id, score]));
    expect(scores.get(home.id)).toEqual({
      id: home.id,
      score: 0,
      note: "choice 1 of 3 for its header:x-session-id, 3 under way of at most 2: passed over",
    });
    expect(scores.get("t4")).toEqual({ id: "t4", score: 0, note: "weight 0: passed over" });
    const [best] = [...scores.values()].toSorted((a, b) => b.score - a.score);
    expect(best?.note).toBe("choice 2 of 3 for its header:x-session-id, 0 under way of at most 2");
    expect(selector.pick(targets, x)?.id).toBe(best?.id);
  });

  test("no bound where there is none", async () => {
    for (const bound of [false, Infinity] as const) {
      const targets = fakeTargets(1, { live: { inflight: 7 } });
      const selector = await selectorOf(session({ bound }), fakePool(targets));
      expect(selector.explain?.(targets, by("hot"))[0]?.note).toBe("choice 1 of 1 for its header:x-session-id");
    }
  });

  test("what the inner selector says of a request without a key", async () => {
    const targets = fakeTargets(1);
    expect((await fresh(targets)).explain?.(targets, fakeExchange())[0]?.note).toMatch(/^no session key; 0 under way/);
  });
});

test("sends a session to one upstream, and past it when that refuses", async () => {
  await withProxy(session({ key: "header:user-agent" }), [saying("a"), saying("b"), saying("c")], async (get) => {
    const words = new Set<string>();
    for (let i = 0; i < 6; i++) words.add(await get());
    expect(words.size).toBe(1);
  });
  await withProxy(session({ key: () => "always" }), [null, null, saying("c")], async (get) => {
    expect([await get(), await get()]).toEqual(["c", "c"]);
  });
});

test("looks into the bodies of requests for a key that stands there", async () => {
  const post = await postThrough(session({ key: ["conversation", "body:user"] }), [{}, {}, {}, {}]);
  for (const json of [{ user: "ada" }, { user: "grace" }, { messages: [{ role: "user", content: "Hello" }] }]) {
    expect(new Set([await post(json), await post(json), await post({ ...json, stream: false })]).size).toBe(1);
  }
});

function fresh(targets: readonly Target[]): Promise<Selector> {
  return selectorOf(session(), fakePool(targets));
}

function by(name: string): Exchange {
  return fakeExchange({ headers: { "x-session-id": name } });
}

function many(count: number): readonly Exchange[] {
  return Array.from({ length: count }, (_, i) => by(`session-${i}`));
}

/** Where a session goes, best first, when nothing is under way. */
function choices(selector: Selector, targets: readonly FakeTarget[], x: Exchange): [FakeTarget, FakeTarget] {
  const scores = new Map(selector.explain?.(targets, x).map(({ id, score }) => [id, score]));
  const order = targets.toSorted((a, b) => (scores.get(b.id) ?? 0) - (scores.get(a.id) ?? 0));
  return order.slice(0, 2) as [FakeTarget, FakeTarget];
}

function load(target: FakeTarget, inflight: number): void {
  target.live.inflight = inflight;
}
