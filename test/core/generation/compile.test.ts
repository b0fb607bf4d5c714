import { type HookName, ProxyError, type Reply, type Target } from "plugboard";
import { fakeExchange, fakeOutcome, fakeTarget } from "plugboard/testing";
import { describe, expect, test, vi } from "vitest";
import { compile, type Phases, type RegisteredHook } from "../../../core/generation/compile.ts";
import { keptLog } from "../kept-log.ts";

const x = fakeExchange();
const head = { status: 200, headers: {} };
const teapot: Reply = { status: 418 };
const boom = new Error("boom");
const fail = (): never => {
  throw boom;
};

/** Hooks of one phase, by plugin name, in config order. */
function phasesOf(phase: HookName, handlers: Readonly<Record<string, unknown>>, log = keptLog().log): Phases {
  const hooks = Object.entries(handlers).map(([plugin, handler], index): RegisteredHook => ({
    phase,
    plugin,
    index,
    handler,
    before: [],
    after: [],
  }));
  return compile(hooks, log);
}

test("a phase without hooks is null, so that nothing is called for it", () => {
  const { order, ...phases } = compile([], keptLog().log);
  expect(Object.values(phases).every((phase) => phase === null)).toBe(true);
  expect(order).toEqual({});
});

test("the order of each phase is told by plugin name", () => {
  const hooks: RegisteredHook[] = [
    { phase: "request", plugin: "a", index: 0, handler: () => {}, before: [], after: ["b"] },
    { phase: "request", plugin: "b", index: 1, handler: () => {}, before: [], after: [] },
    { phase: "end", plugin: "a", index: 0, handler: () => {}, before: [], after: [] },
  ];
  expect(compile(hooks, keptLog().log).order).toEqual({ request: ["b", "a"], end: ["a"] });
});

describe("candidates", () => {
  const all = Object.freeze([fakeTarget({ id: "a" }), fakeTarget({ id: "b" }), fakeTarget({ id: "c" })]);
  const without =
    (id: string) =>
    (_x: unknown, targets: readonly Target[]): readonly Target[] =>
      targets.filter((target) => target.id !== id);

  test("are narrowed by one plugin after the other, and each is told of", () => {
    const steps: string[] = [];
    const narrow = phasesOf("candidates", { first: without("a"), second: without("c") }).candidates;
    const left = narrow?.(x, all, (plugin, targets) => steps.push(`${plugin}: ${targets.map(({ id }) => id).join()}`));
    expect(left?.map(({ id }) => id)).toEqual(["b"]);
    expect(steps).toEqual(["first: b,c", "second: b"]);
  });

  test("stay the same list where nobody drops any", () => {
    expect(phasesOf("candidates", { a: (_x: unknown, targets: unknown) => targets }).candidates?.(x, all)).toBe(all);
  });

  test.each([
    ["throws", fail, "boom"],
    ["returns nothing", () => {}, "returned undefined"],
    ["returns a promise", async () => Promise.reject(boom), "returned [object Promise]"],
  ])("of a hook that %s are that plugin's fault", async (_what, handler, cause) => {
    const { log, lines } = keptLog();
    const narrow = phasesOf(
      "candidates",
      { a: (_x: unknown, targets: unknown) => targets, faulty: handler },
      log,
    ).candidates;
    expect(() => narrow?.(x, all)).toThrow(
      expect.objectContaining({
        code: "plugin_error",
        plugin: "faulty",
        phase: "candidates",
        cause: expect.objectContaining({ message: expect.stringContaining(cause) }),
      }),
    );
    await new Promise((resolve) => setImmediate(resolve)); // A rejection that nobody takes would end the run.
    expect(lines.length).toBe(cause.includes("Promise") ? 1 : 0);
  });
});

describe.each(["request", "inspect", "resolve", "admit", "upstreamRequest"] as const)("%s", (phase) => {
  test("runs in order until one says something", () => {
    const calls: string[] = [];
    const run = phasesOf(phase, {
      a: () => void calls.push("a"),
      b: () => (calls.push("b"), teapot),
      c: () => calls.push("c"),
    })[phase];
    expect(run?.(x)).toBe(teapot);
    expect(calls).toEqual(["a", "b"]);
  });

  test("touches no promise while hooks answer at once", () => {
    const then = vi.spyOn(Promise.prototype, "then");
    const run = phasesOf(phase, { a: () => undefined, b: () => undefined })[phase];
    const said = run?.(x);
    const thens = then.mock.calls.length;
    then.mockRestore();
    expect(said).toBeUndefined();
    expect(thens).toBe(0);
  });

  test("waits where a hook answers later, and keeps the order", async () => {
    const calls: string[] = [];
    const run = phasesOf(phase, {
      a: () => void calls.push("a"),
      b: async () => {
        await Promise.resolve();
        calls.push("b");
      },
      c: () => void calls.push("c"),
      d: async () => (calls.push("d"), teapot),
      e: () => void calls.push("e"),
    })[phase];
    expect(await run?.(x)).toBe(teapot);
    expect(calls).toEqual(["a", "b", "c", "d"]);
  });

  test.each<[string, () => unknown, () => unknown]>([
    ["throws", fail, () => {}],
    ["rejects", () => Promise.reject(boom), () => {}],
    ["throws after one that answered later", fail, async () => {}],
  ])("blames the plugin and the phase of a hook that %s", async (_what, handler, before) => {
    const run = phasesOf(phase, { fine: before, guilty: handler, after: () => {} })[phase];
    const error: unknown = await new Promise((resolve) => resolve(run?.(x))).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "plugin_error", plugin: "guilty", phase, cause: boom });
    expect((error as Error).message).not.toContain("boom");
  });

  test("lets a ProxyError pass as it is: it is meant", () => {
    const meant = new ProxyError("rate_limited", "Slow down.");
    const run = phasesOf(phase, {
      a: () => {
        throw meant;
      },
    })[phase];
    expect(() => run?.(x)).toThrow(meant);
  });
});

describe("upstreamResponse", () => {
  test("runs all in order, each on the same head", () => {
    const run = phasesOf("upstreamResponse", {
      a: (_x: unknown, { headers }: { headers: Record<string, string> }) => void (headers["x-a"] = "1"),
      b: (_x: unknown, { headers }: { headers: Record<string, string> }) =>
        void (headers["x-b"] = `${headers["x-a"]}2`),
    }).upstreamResponse;
    const edited = { status: 200, headers: {} };
    expect(run?.(x, edited)).toBeUndefined();
    expect(edited.headers).toEqual({ "x-a": "1", "x-b": "12" });
  });

  test("shows the head to all, and asks for another target when one of them does", () => {
    const after = vi.fn<() => void>();
    expect(phasesOf("upstreamResponse", { a: () => "retry", after }).upstreamResponse?.(x, head)).toBe("retry");
    expect(after).toHaveBeenCalledOnce();
  });

  test("blames the plugin that throws", () => {
    const run = phasesOf("upstreamResponse", { guilty: fail }).upstreamResponse;
    expect(() => run?.(x, head)).toThrow(expect.objectContaining({ plugin: "guilty", phase: "upstreamResponse" }));
  });
});

describe("error", () => {
  const error = new ProxyError("no_targets", "None.");

  test("the first reply is the reply", () => {
    const run = phasesOf("error", { a: () => undefined, b: () => teapot, c: () => ({ status: 500 }) }).error;
    expect(run?.(x, error)).toBe(teapot);
  });

  test("a hook that throws is logged and does not hide the error it was asked to show", () => {
    const { log, lines } = keptLog();
    expect(phasesOf("error", { guilty: fail, b: () => teapot }, log).error?.(x, error)).toBe(teapot);
    expect(lines).toEqual([expect.stringMatching(/^error: plugin guilty threw in phase error: Error: boom/)]);
  });
});

describe.each([
  ["attemptEnd", [x, fakeTarget(), fakeOutcome()]],
  ["end", [x, fakeOutcome()]],
  ["health", [fakeTarget(), false, "reporter", "reason"]],
] as const)("%s", (phase, args) => {
  test("tells every observer the same, in order", () => {
    const a = vi.fn<() => undefined>();
    const b = vi.fn<() => undefined>();
    (phasesOf(phase, { a, b })[phase] as (...args: unknown[]) => void)(...args);
    expect(a).toHaveBeenCalledExactlyOnceWith(...args);
    expect(b).toHaveBeenCalledExactlyOnceWith(...args);
    expect(a.mock.invocationCallOrder[0]).toBeLessThan(b.mock.invocationCallOrder[0] as number);
  });

  test("a throw is logged by name and phase, and stops neither the others nor the caller", () => {
    const { log, lines } = keptLog();
    const other = vi.fn<() => undefined>();
    (phasesOf(phase, { guilty: fail, other }, log)[phase] as (...args: unknown[]) => void)(...args);
    expect(other).toHaveBeenCalledOnce();
    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`^error: plugin guilty threw in phase ${phase}: Error: boom`)),
    ]);
  });
});
