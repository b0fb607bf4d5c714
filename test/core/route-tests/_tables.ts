import { dirname } from "node:path";
import { defineSelector, type Explanation, type Plugin, type ProxyConfig, type TargetSpec } from "plugboard";
import { expect } from "vitest";
import type { RouteTest, RouteTests } from "../../../core/route-tests/define.ts";
import { runTable, type TableRun } from "../../../core/route-tests/run.ts";
import { readTable, type ReadTable } from "../../../core/route-tests/table.ts";
import { createProject } from "../config/_project.ts";
import { memUpstream } from "../mem-upstream.ts";

/** A file of route tests in a folder of its own. */
export async function tableOf(name: string, text: string): Promise<ReadTable> {
  const { write } = await createProject();
  return readTable(await write(name, text));
}

/** What is wrong with a file: place, path, message and fix, one to a line. */
export async function mistakesIn(name: string, text: string): Promise<string[]> {
  const { mistakes = [] } = await tableOf(name, text);
  return mistakes.map(({ file, position, path, message, fix }) => {
    const place = position === undefined ? "" : `${position.line}:${position.column}`;
    return [place, path, message.replaceAll(`${dirname(file)}/`, ""), fix].filter(Boolean).join(" | ");
  });
}

const gpus: readonly TargetSpec[] = [
  { id: "gpu-1", url: "mem://gpu-1/v1" },
  { id: "gpu-2", url: "mem://gpu-2/v1" },
  { id: "cloud", url: "mem://cloud/v1", enabled: false },
];

function config(...plugins: readonly Plugin[]): ProxyConfig {
  return { plugins: [memUpstream(undefined, gpus), ...plugins] };
}

/** Runs tests against the gpus and these plugins. */
export function runTests(
  tests: readonly RouteTest[],
  plugins: readonly Plugin[] = [],
  table: Partial<RouteTests> = {},
): Promise<TableRun> {
  const locate = (): undefined => undefined;
  return runTable({ file: "/routes.yaml", config: undefined, locate, tests: { ...table, tests } }, config(...plugins));
}

export const inOrder: Plugin = defineSelector({ name: "in-order", pick: ([first]) => first })();

/** Whether each test is well. */
export async function outcomes(
  tests: readonly RouteTest[],
  plugins: readonly Plugin[] = [inOrder],
): Promise<boolean[]> {
  const { results, mistakes } = await runTests(tests, plugins);
  expect(mistakes).toEqual([]);
  return results.map(({ ok }) => ok);
}

/** What a chat for "fast" would do: gpu-2 first, then gpu-1; the cloud is not in it. */
export function explanation(changes: Partial<Explanation> = {}): Explanation {
  return {
    hooks: {},
    request: { method: "POST", path: "/v1/chat/completions", model: "fast" },
    steps: [],
    route: { name: "fast", pool: "default", selector: "in-order" },
    candidates: [
      { id: "gpu-1", url: "http://gpu-1", kept: true, reason: "" },
      { id: "gpu-2", url: "http://gpu-2", kept: true, reason: "the first in order" },
      { id: "cloud", url: "http://cloud", kept: false, reason: "down by test: probe failed" },
    ],
    attempts: ["gpu-2", "gpu-1"],
    upstream: {
      method: "POST",
      url: "http://gpu-2:8000/v1/chat/completions?a=1",
      headers: { authorization: "***", "x-team": "search", accept: ["a", "b"] },
      body: '{"model":"qwen3-8b","messages":[{"role":"user","content":"hi"}],"stream":true,"user":null}',
    },
    reply: undefined,
    ...changes,
  };
}

/** What is told when no target is left. */
export const refused: Explanation = explanation({
  attempts: [],
  upstream: undefined,
  reply: { status: 503, code: "no_targets", body: "" },
});
