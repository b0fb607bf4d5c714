import type { Awaitable } from "plugboard";
import type { Test } from "plugboard/testing";

/** Runs a suite and tells by name which of its cases fail. */
export async function failures(run: (test: Test) => void): Promise<string[]> {
  const cases: { name: string; run: () => Awaitable<void> }[] = [];
  run((name, body) => cases.push({ name, run: body }));
  const failed: string[] = [];
  for (const { name, run: body } of cases) {
    try {
      await body();
    } catch {
      failed.push(name);
    }
  }
  return failed;
}
