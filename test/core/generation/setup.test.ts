import { createProxy } from "plugboard";
import { describe, expect, test } from "vitest";
import { toHooks } from "../../../core/generation/setup.ts";
import { configErrorOf, problemsOf } from "../config/config-error-of.ts";
import { quickPlugin } from "../quick-plugin.ts";

const hook = (): undefined => undefined;

describe("what setup returns", () => {
  test("a hook may be a function or have its place with it", () => {
    expect(toHooks({ request: hook, end: { handler: hook, after: ["stats"] } }, "p", 2)).toEqual([
      { phase: "request", plugin: "p", index: 2, handler: hook, before: [], after: [] },
      { phase: "end", plugin: "p", index: 2, handler: hook, before: [], after: ["stats"] },
    ]);
  });

  test("a hook may be switched off by undefined", () => {
    expect(toHooks({ request: undefined }, "p", 0)).toEqual([]);
  });

  test.each([
    ["a near miss is guessed", "upstreamResponce", 'did you mean "upstreamResponse"?'],
    ["another case is a near miss", "Request", 'did you mean "request"?'],
    ["the phases are listed", "onBeforeAnything", /^phases: request, inspect, resolve, .*, health$/],
  ])("an unknown phase is refused: %s", (_what, phase, fix) => {
    const problem = configErrorOf(() => void toHooks({ [phase]: hook }, "p", 4));
    expect(problem).toMatchObject({ plugin: "plugins[4] p", message: `returns a hook "${phase}"` });
    expect(problem.fix).toMatch(fix);
  });

  test.each([
    ["a string", "next" as never],
    ["an object without a handler", { after: ["a"] } as never],
    ["a handler that is none", { handler: true } as never],
  ])("%s is no hook", (_what, given) => {
    expect(configErrorOf(() => void toHooks({ request: given }, "p", 0)).message).toBe(
      'hook "request" is not a function',
    );
  });
});

describe("a setup that fails", () => {
  test("is told with the plugin's name and place, and the cause is kept", async () => {
    const cause = new Error("no such file");
    const bad = quickPlugin("bad", () => {
      throw cause;
    });
    const error = await createProxy({ plugins: [quickPlugin("good", () => {}), bad] }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      name: "ConfigError",
      cause,
      problems: [{ plugin: "plugins[1] bad", message: "setup failed: no such file" }],
    });
  });

  test("later is as bad", async () => {
    const bad = quickPlugin("bad", () => Promise.reject(new Error("late")));
    expect(await problemsOf(createProxy({ plugins: [bad] }))).toMatchObject([{ message: "setup failed: late" }]);
  });

  test("keeps the words of a refusal that core made", async () => {
    const bad = quickPlugin("bad", (proxy) => void proxy.use("selector", "x").value);
    expect(await problemsOf(createProxy({ plugins: [bad] }))).toMatchObject([
      { plugin: "plugins[0] bad", message: expect.stringContaining("before it is linked") },
    ]);
  });
});

test("setups run in config order, one after the other, also when they take time", async () => {
  const order: string[] = [];
  const slow = quickPlugin("slow", async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push("slow");
  });
  const proxy = await createProxy({ plugins: [slow, quickPlugin("fast", () => void order.push("fast"))] });
  await proxy.close();
  expect(order).toEqual(["slow", "fast"]);
});
