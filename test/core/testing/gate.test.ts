import { definePlugin, type Gate, type GateService, type Plugin, ProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { testGate } from "../../../core/testing/gate.ts";

const bad = (): ProxyError => new ProxyError("upstream_protocol", "The answer is bad.");

function gating(create: () => Gate, match: GateService["match"] = () => true): () => Plugin {
  return definePlugin({
    name: "gating",
    setup: (proxy) => proxy.provide("gate", "gating", { match, create }),
  });
}

/** The smallest gate that is right: decides by what the stream has said so far. */
function plain(): Gate {
  let seen = "";
  return {
    data(chunk) {
      seen += Buffer.from(chunk).toString("latin1");
      return seen.includes("data: bad\n") ? bad() : seen.includes("data: good\n") ? "pass" : "hold";
    },
  };
}

const streams = {
  passes: { "a good stream": ": wait\n\ndata: good\n\ndata: more\n\n", "an empty one": ": nothing\n\n" },
  condemns: { "a bad stream": ": wait\n\ndata: bad\n\n" },
};

describe("a gate that is right", () => {
  testGate({ test, create: gating(plain), ...streams });
});

let shared = plain();

const broken: Record<string, () => Plugin> = {
  "looks at each chunk by itself": gating(() => ({
    data: (chunk) =>
      Buffer.from(chunk).includes("data: bad\n")
        ? bad()
        : Buffer.from(chunk).includes("data: good\n")
          ? "pass"
          : "hold",
  })),
  "passes everything": gating(() => ({ data: () => "pass" })),
  "condemns everything": gating(() => ({ data: bad })),
  "condemns what ends undecided": gating(() => ({ ...plain(), end: bad })),
  "has one state for all": gating(() => ({ data: (chunk) => (shared ??= plain()).data(chunk) })),
  "writes into the chunk": gating(() => {
    const gate = plain();
    return {
      data(chunk) {
        const verdict = gate.data(chunk);
        chunk[0] = 0;
        return verdict;
      },
    };
  }),
  "holds without bound": gating(() => ({ ...plain(), limit: Infinity })),
  "waits for ever": gating(() => ({ ...plain(), timeout: Number.NaN })),
  "fails over an odd head": gating(plain, (_x, head) => (head.headers["content-type"] as string).startsWith("text/")),
  "matches nothing": gating(plain, () => false),
};

describe.each(Object.entries(broken))("a gate that %s", (_what, create) => {
  test("does not pass", async () => {
    shared = plain();
    const failed: string[] = [];
    const cases: [string, () => unknown][] = [];
    testGate({ test: (name, run) => void cases.push([name, run]), create, ...streams });
    for (const [name, run] of cases) {
      try {
        await run();
      } catch {
        failed.push(name);
      }
    }
    expect(failed).not.toEqual([]);
  });
});
