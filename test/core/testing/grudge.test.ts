import { definePlugin, type Grudge, type Plugin, type Reporter } from "plugboard";
import { describe, expect, test } from "vitest";
import { testGrudge } from "../../../core/testing/grudge.ts";

/** Takes a target out at its first 500, and forgets as it is told to. */
function grudging(forgetting: (out: Set<string>, reporter: Reporter) => Grudge["forget"], strict = true): () => Plugin {
  return definePlugin({
    name: "grudging",
    setup(proxy) {
      const reporter = proxy.reporter("grudging");
      const out = new Set<string>();
      const pardoned = new Set<string>();
      const forget = forgetting(out, reporter);
      proxy.provide("grudge", "grudging", {
        forget(target) {
          for (const id of target === undefined ? out : [target]) pardoned.add(id);
          return forget(target);
        },
      });
      return {
        attemptEnd(_x, { id }, { status }) {
          if (status !== 500 || (!strict && pardoned.has(id))) return undefined;
          out.add(id);
          reporter.down(id, "it said 500");
          return undefined;
        },
      };
    },
  });
}

const right = (out: Set<string>, reporter: Reporter): Grudge["forget"] =>
  function forget(target) {
    const ids = [...out].filter((id) => target === undefined || id === target);
    for (const id of ids) {
      out.delete(id);
      reporter.up(id);
    }
    return ids.length;
  };

describe("one that is right", () => {
  testGrudge({ test, create: grudging(right), offend: [500] });
});

const broken: Record<string, () => Plugin> = {
  "forgets nothing": grudging(() => () => 0),
  "says nothing of what it forgot": grudging((out, reporter) => (target) => {
    right(out, reporter)(target);
    return 0;
  }),
  "forgets all whatever it is asked": grudging((out, reporter) => () => right(out, reporter)()),
  "forgets in words only": grudging((out) => (target) => {
    const count = target === undefined ? out.size : Number(out.has(target));
    if (target === undefined) out.clear();
    else out.delete(target);
    return count;
  }),
  "counts what it forgot before": grudging((out, reporter) => {
    let count = 0;
    return (target) => (count += right(out, reporter)(target));
  }),
  "is lenient for ever after": grudging(right, false),
  "provides none": definePlugin({ name: "none", setup: () => {} }),
};

describe.each(Object.entries(broken))("one that %s", (_what, create) => {
  test("does not pass", async () => {
    const cases: [string, () => unknown][] = [];
    testGrudge({ test: (name, run) => void cases.push([name, run]), create, offend: [500] });
    const results = await Promise.allSettled(cases.map(async ([, run]) => run()));
    expect(results.map(({ status }) => status)).toContain("rejected");
  });
});
