import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Condition, definePlugin, type Plugin, type Setup } from "plugboard";
import { testCondition } from "plugboard/testing";
import { conditionOf } from "../../../core/testing/condition.ts";
import {
  first,
  forgetful,
  latched,
  late,
  once,
  rising,
  shared,
  single,
  started,
  subscribe,
  type Switch,
  throws,
  together,
  worn,
} from "./broken-conditions.ts";
import { failures } from "./failures.ts";

type Make = (source: Switch, proxy: Setup, right: Required<Condition>) => Condition;

let source: Switch;

/** The smallest condition that is right, but for what `make` does in its place. */
function condition(make: Make = (_source, _proxy, right) => right): () => Plugin {
  return definePlugin({
    name: "tiny",
    setup(proxy) {
      // The one that was made with it, also for a later generation.
      const { own } = proxy.keep("switch", () => ({ own: source }));
      const right: Required<Condition> = {
        holds: () => own.on,
        why: () => "it is switched off",
        onChange: (changed) => subscribe(own, changed, proxy.signal),
      };
      proxy.provide("condition", "tiny", make(own, proxy, right));
    },
  });
}

function fails(create: () => Plugin, holding = false): Promise<string[]> {
  return failures((run) =>
    testCondition({
      test: run,
      create() {
        shared.closed = false;
        source = { on: holding, listeners: new Set() };
        return create();
      },
      turn(holds) {
        source.on = holds;
        for (const listener of source.listeners) listener();
      },
      holding,
      patience: 100,
    }),
  );
}

describe("the suite passes", () => {
  test("one that follows its source", async () => {
    expect(await fails(condition())).toEqual([]);
  });

  test("one that holds in the beginning", async () => {
    expect(await fails(condition(), true)).toEqual([]);
  });

  test("one that only answers", async () => {
    expect(await fails(condition((own) => ({ holds: () => own.on })))).toEqual([]);
  });

  test("one that calls back more often than it has to, and later", async () => {
    const eager: Make = (own, { signal }, right) => ({
      ...right,
      onChange: (changed) => {
        const later = (): void => void setImmediate(() => signal.aborted || changed());
        subscribe(own, later, signal);
        subscribe(own, changed, signal);
      },
    });
    expect(await fails(condition(eager))).toEqual([]);
  });
});

const laws = {
  answers: "says at once whether it holds, with true or false",
  calls: "calls back when the answer is another one, each who asked for it",
  closed: "does not call back, and can still be asked, after the proxy has closed",
  early: "provides one condition, and answers before anything is started",
  instances: "goes on when another instance is closed",
  knows: "knows in a new generation at once what holds",
  open: "leaves nothing open",
  over: "calls back for the generation that runs, and no longer for one that is over",
  same: "says the same however often it is asked, and asking changes nothing",
  sees: "sees each change",
  why: "says why it does not hold, in one line",
};

describe("the suite fails a condition that", () => {
  const broken: readonly (readonly [string, Make, string])[] = [
    [
      "answers with a promise",
      (own, _, right) => ({ ...right, holds: () => Promise.resolve(own.on) as never }),
      laws.early,
    ],
    [
      "throws before it is started",
      (_, proxy, right) => ({ ...right, holds: started(proxy, right, throws) }),
      laws.early,
    ],
    ["answers with a number", (own, _, right) => ({ ...right, holds: () => Number(own.on) as never }), laws.answers],
    ["begins the wrong way", (own, proxy, right) => ({ ...right, holds: late(own, proxy) }), laws.answers],
    ["never looks again", (_, proxy, right) => ({ ...right, holds: once(proxy, right) }), laws.sees],
    ["sees only that it begins to hold", (own, _, right) => ({ ...right, holds: latched(own) }), laws.sees],
    ["changes by being asked", (own, _, right) => ({ ...right, holds: worn(own) }), laws.same],
    [
      "calls back because it is asked",
      (own, _, right) => ({ ...right, holds: () => (own.listeners.forEach((tell) => setImmediate(tell)), own.on) }),
      laws.same,
    ],
    ["has no words", (_own, _proxy, right) => ({ ...right, why: () => "" }), laws.why],
    ["throws instead of words", (_own, _proxy, right) => ({ ...right, why: throws }), laws.why],
    ["says it in several lines", (_own, _proxy, right) => ({ ...right, why: () => "off\nby hand" }), laws.why],
    ["begins anew as if nothing held", (own, proxy, right) => ({ ...right, holds: forgetful(own, proxy) }), laws.knows],
    ["never calls back", (_own, _proxy, right) => ({ ...right, onChange: () => undefined }), laws.calls],
    [
      "calls back only the last who asked",
      (own, { signal }, right) => ({ ...right, onChange: single(own, signal) }),
      laws.calls,
    ],
    ["calls back only once", (own, { signal }, right) => ({ ...right, onChange: first(own, signal) }), laws.calls],
    [
      "calls back for what holds only",
      (own, { signal }, right) => ({ ...right, onChange: rising(own, signal) }),
      laws.calls,
    ],
    [
      "calls back for ever",
      (own, _, right) => ({ ...right, onChange: (changed) => subscribe(own, changed) }),
      laws.over,
    ],
    [
      "calls back after the end",
      (own, _, right) => ({ ...right, onChange: (changed) => subscribe(own, changed) }),
      laws.closed,
    ],
    [
      "cannot be asked after the end",
      (own, { signal }, right) => ({ ...right, holds: () => (signal.aborted ? throws() : own.on) }),
      laws.closed,
    ],
    ["ends with another instance", (own, proxy, right) => ({ ...right, holds: together(own, proxy) }), laws.instances],
    [
      "leaves a handle open",
      (_own, _proxy, right) => ({ ...right, onChange: (changed) => (leak(), right.onChange(changed)) }),
      laws.open,
    ],
  ];

  for (const [what, make, law] of broken) {
    test(what, async () => {
      expect(await fails(condition(make))).toContain(law);
    });
  }

  test("is none", async () => {
    const none = definePlugin({ name: "none", setup: () => undefined });
    expect(await fails(none)).toContain(laws.early);
    await expect(conditionOf(none())).rejects.toThrow('plugin "none" provides no condition');
  });

  test("is two", async () => {
    const two = condition((_, proxy, right) => {
      proxy.provide("condition", "other", right);
      return right;
    });
    expect(await fails(two)).toContain(laws.early);
  });
});

const leaks: Server[] = [];

function leak(): void {
  leaks.push(createServer().listen(0, "127.0.0.1"));
}

afterEach(() => {
  for (const server of leaks.splice(0)) server.close();
});
