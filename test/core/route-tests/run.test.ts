import assert from "node:assert/strict";
import { defineSelector } from "plugboard";
import { describe, expect, test } from "vitest";
import type { RouteTest } from "../../../core/route-tests/define.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { inOrder, outcomes, runTests } from "./_tables.ts";

const request = { path: "/" };
test("each test has selectors of its own: the turn of one is not the turn of the next", async () => {
  const turns = defineSelector({
    name: "turns",
    create: () => {
      let turn = 0;
      return { pick: (all) => all[turn++ % all.length] };
    },
  })();
  const first: RouteTest = { request, expect: { target: "gpu-1" } };
  expect(await outcomes([first, first, first], [turns])).toEqual([true, true, true]);
});

describe("a share", () => {
  const byChance = defineSelector({
    name: "by-chance",
    create: (_pool, _options, { random }) => ({ pick: (all) => all[random() < 0.7 ? 0 : 1] ?? all[0] }),
  })();

  test("is that of many requests, the same with the same seed", async () => {
    const asked: RouteTest = { request, expect: { share: { "gpu-1": 0, "gpu-2": 0 }, within: 0 } };
    const received = async (seed?: number): Promise<unknown[]> => {
      const { results } = await runTests([{ ...asked, seed }], [byChance]);
      return results[0]?.differences.map((difference) => difference.received) ?? [];
    };
    const [one, two] = await received();
    // 1000 draws of 70 %: 5 points are 3.5 standard deviations, and the seed is fixed.
    expect(one).toBeGreaterThan(65);
    expect(Number(one) + Number(two)).toBeCloseTo(100);
    expect(await received(7)).toEqual([one, two]);
    expect(await received(8)).not.toEqual([one, two]);
  });

  test("is drawn as often as is said, in the test or beside it", async () => {
    let draws = 0;
    const counting = defineSelector({
      name: "counting",
      pick: ([first]) => {
        draws += 1;
        return first;
      },
    })();
    const count = async (given: RouteTest): Promise<number> => {
      draws = 0;
      expect(await outcomes([given], [counting])).toEqual([true]);
      return draws;
    };
    const alone = await count({ request, expect: { target: "gpu-1" } });
    const share = { "gpu-1": 100 };
    expect((await count({ request, expect: { share } })) - alone).toBe(1_000);
    expect((await count({ request, draws: 50, expect: { share } })) - alone).toBe(50);
    expect((await count({ request, expect: { share, draws: 60 } })) - alone).toBe(60);
  });
});

describe("a function as expectation", () => {
  test("sees the explanation, and what it throws is the difference", async () => {
    const { results } = await runTests(
      [
        { request, expect: ({ attempts }) => assert.deepEqual(attempts, ["gpu-1", "gpu-2"]) },
        { request, expect: async () => Promise.reject(new Error("not\nlike this")) },
        {
          request,
          expect: () => {
            // oxlint-disable-next-line typescript/only-throw-error -- what a test of a user may do
            throw "text";
          },
        },
      ],
      [inOrder],
    );
    expect(results.map(({ differences }) => differences)).toEqual([
      [],
      [{ path: "expect", expected: null, received: "not\nlike this" }],
      [{ path: "expect", expected: null, received: "text" }],
    ]);
  });
});

test("nothing is started, and all is closed", async () => {
  const log: string[] = [];
  const busy = quickPlugin("busy", (proxy) => {
    proxy.every(1, () => void log.push("task"), { immediate: true });
    proxy.onReady(() => void log.push("ready"));
    proxy.onClose(() => void log.push("closed"));
  });
  expect(await outcomes([{ request, expect: { route: "default" } }], [busy])).toEqual([true]);
  expect(log).toEqual(["closed"]);
});

test("all that differs is told, under the test's name or what it asks for", async () => {
  const { results } = await runTests(
    [
      { name: "two\nlines", request, expect: { route: "x", selector: "y", target: "gpu-2" } },
      { request: { model: "m", stream: true }, expect: { route: "default" } },
    ],
    [inOrder],
  );
  expect(results).toMatchObject([
    { name: "two lines", ok: false, differences: [{ path: "route" }, { path: "selector" }, { path: "target" }] },
    { name: "model m, streamed", ok: true, differences: [] },
  ]);
});

test("a config that is refused is refused as ever", async () => {
  const twice = [
    quickPlugin("a", () => {}),
    quickPlugin("a", (proxy) => proxy.route("GET", "/a", () => "")),
    quickPlugin("b", (proxy) => proxy.route("GET", "/a", () => "")),
  ];
  await expect(runTests([{ request, expect: { route: "x" } }], twice)).rejects.toThrow("GET /a");
});
