import type { ProxyConfig } from "../contract/proxy.ts";
import { explainConfig } from "../explain/explain.ts";
import type { Explanation } from "../explain/explanation.ts";
import { compare, noTarget } from "./compare.ts";
import type { RouteCheck, RouteTest } from "./define.ts";
import type { Difference } from "./difference.ts";
import type { Mistake } from "./format.ts";
import { describeRequest, toRequest } from "./request.ts";
import { applyStates, idsOf, mergeStates, type TargetStates } from "./state.ts";
import { type PlacedMistake, placeMistakes, type RouteTable } from "./table.ts";
import { textOf } from "../errors.ts";

export interface RouteTestResult {
  readonly name: string;
  readonly file: string;
  /** Counts from 1; undefined where the file does not show it. */
  readonly line: number | undefined;
  readonly ok: boolean;
  readonly differences: readonly Difference[];
  readonly test: RouteTest;
  /** Without the states of targets, which only a test can set. */
  readonly states: TargetStates;
}

export interface TableRun {
  readonly results: readonly RouteTestResult[];
  /** What only shows when the targets are known. */
  readonly mistakes: readonly PlacedMistake[];
}

const defaults = { draws: 1_000, seed: 7, within: 5 };

/** Runs the tests of a table against a config, one after the other, each on targets of its own. */
export async function runTable(table: RouteTable, config: ProxyConfig): Promise<TableRun> {
  const results: RouteTestResult[] = [];
  const mistakes: Mistake[] = [];
  for (const [index, test] of table.tests.tests.entries()) {
    const path = ["tests", String(index)];
    const states = mergeStates(table.tests.targets, test.targets);
    const { differences, known } = await runTest(test, states, config);
    if (index === 0) mistakes.push(...unknownIds(table.tests.targets, known, []));
    mistakes.push(...unknownIds(test.targets, known, path));
    const name = (test.name ?? describeRequest(test.request)).replaceAll(/\s+/g, " ");
    const line = table.locate(path)?.line;
    results.push({ name, file: table.file, line, ok: differences.length === 0, differences, test, states });
  }
  return { results, mistakes: placeMistakes(table, mistakes) };
}

async function runTest(
  test: RouteTest,
  states: TargetStates,
  config: ProxyConfig,
): Promise<{ differences: Difference[]; known: ReadonlySet<string> }> {
  const { draws, seed, within } = drawsOf(test);
  let known: ReadonlySet<string> = new Set();
  const request = { ...toRequest(test.request), seed, ...(draws !== undefined && { draws }) };
  const explanation = await explainConfig(config, request, {
    prepare(generation) {
      known = idsOf(generation);
      applyStates(generation, states);
    },
  });
  const { expect } = test;
  const differences =
    typeof expect === "function"
      ? await runCheck(expect, explanation)
      : compare(expect, { explanation, known, draws: draws ?? defaults.draws, within });
  return { differences, known };
}

/** As they are said beside share or in the test; without a share there is one request. */
export function drawsOf({ expect, ...test }: RouteTest): { draws: number | undefined; seed: number; within: number } {
  const said = typeof expect === "function" ? {} : expect;
  const draws = said.draws ?? test.draws ?? (said.share === undefined ? undefined : defaults.draws);
  return {
    draws,
    seed: said.seed ?? test.seed ?? defaults.seed,
    within: said.within ?? test.within ?? defaults.within,
  };
}

async function runCheck(check: RouteCheck, explanation: Explanation): Promise<Difference[]> {
  try {
    await check(explanation);
    return [];
  } catch (error) {
    const received = textOf(error);
    return [{ path: "expect", expected: null, received }];
  }
}

function unknownIds(states: TargetStates = {}, known: ReadonlySet<string>, path: readonly string[]): Mistake[] {
  const unknown = Object.keys(states).filter((id) => !known.has(id));
  return unknown.map((id) => ({ path: [...path, "targets", id], message: noTarget(id, known) }));
}
