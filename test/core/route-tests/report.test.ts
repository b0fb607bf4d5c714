import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import type { Difference } from "../../../core/route-tests/difference.ts";
import { lineDiff } from "../../../core/route-tests/line-diff.ts";
import { showReport, toJsonReport } from "../../../core/route-tests/report.ts";
import type { RouteTestResult } from "../../../core/route-tests/run.ts";

function result(
  name: string,
  differences: readonly Difference[],
  more: Partial<RouteTestResult> = {},
): RouteTestResult {
  const given = { request: { model: "fast" }, expect: { target: "a" } };
  return {
    name,
    file: "/routes.yaml",
    line: 7,
    ok: differences.length === 0,
    differences,
    test: given,
    states: {},
    ...more,
  };
}

function show(...results: readonly RouteTestResult[]): string {
  return stripVTControlCharacters(
    showReport([{ file: "routes.yaml", config: "proxy.config.ts", options: [], results }]),
  );
}

test("a line for each test, the differences under it, a command that shows the request, the sum last", () => {
  const target = { path: "target", expected: "gpu-2", received: "gpu-1" };
  const model = { path: "model", expected: "m", received: null, hint: "answered here with 404 model_not_found" };
  expect(show(result("one", []), result("two", [target, model]))).toBe(`routes.yaml  proxy.config.ts
  ✔ one
  ✖ two  routes.yaml:7
      target: expected gpu-2, got gpu-1
      model: expected m, got nothing (answered here with 404 model_not_found)
      → plugboard explain --model fast

1 passed, 1 failed
`);
});

test("lists are shown as lists, and what is long line by line", () => {
  const long = "a text of more letters than there are in a line of a terminal";
  const shown = show(
    result("x", [
      { path: "attempts", expected: ["a", "b"], received: [] },
      { path: "upstream.body", expected: { b: 1, c: long }, received: { b: 1, c: 2 } },
      { path: "upstream.body.n", expected: 1, received: "" },
    ]),
  );
  expect(shown).toContain("attempts: expected a, b, got none\n");
  expect(shown).toContain(`      upstream.body:
          {
            "b": 1,
        -   "c": "${long}"
        +   "c": 2
          }
`);
  expect(shown).toContain('upstream.body.n: expected 1, got ""\n');
});

test("what a function threw is shown as it is", () => {
  expect(show(result("x", [{ path: "expect", expected: null, received: "a\nb" }]))).toContain(
    "\n      expect: a\n      b\n",
  );
});

test("the command draws as the test did, and says what it does not know", () => {
  const given = { request: { model: "m" }, seed: 3, expect: { share: { a: 1 } } };
  const shown = show(
    result("x", [{ path: "share.a", expected: 1, received: 0 }], { test: given, states: { a: { down: true } } }),
  );
  expect(shown).toContain("→ plugboard explain --model m --n 1000 --seed 3  # with all targets up and idle\n");
});

test("a very long difference is cut", () => {
  const received = Array.from({ length: 3_000 }, (_, index) => `line ${index}`).join("\n");
  const shown = show(result("x", [{ path: "upstream.body", expected: "a", received }]));
  expect(shown.split("\n").length).toBeLessThan(60);
  expect(shown).toContain("and 2961 more lines");
});

test("a program reads the same", () => {
  const differences = [{ path: "target", expected: "a", received: null }];
  const files = [
    { file: "r.yaml", config: "c.ts", options: [], results: [result("one", []), result("two", differences)] },
  ];
  expect(toJsonReport(files)).toEqual({
    passed: 1,
    failed: 1,
    tests: [
      { name: "one", file: "r.yaml", line: 7, ok: true, differences: [] },
      { name: "two", file: "r.yaml", line: 7, ok: false, differences },
    ],
  });
});

test.each([
  ["a\nb\nc", "a\nc", ["  a", "- b", "  c"]],
  ["a\nc", "a\nb\nc\nd", ["  a", "+ b", "  c", "+ d"]],
  ["a", "b", ["- a", "+ b"]],
  ["", "", ["  "]],
])("lines of %j and %j", (expected, received, lines) => {
  expect(lineDiff(expected, received)).toEqual(lines);
});
