import { closeSync, openSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  areDescriptorsUsedUp,
  connectionsFor,
  descriptorLimit,
  openDescriptors,
} from "../../../core/wire/descriptors.ts";

const isLinux = process.platform === "linux";

test.runIf(isLinux)("the limit is that of this process", () => {
  const limits = readFileSync("/proc/self/limits", "utf8");
  expect(limits).toMatch(new RegExp(`^Max open files +${descriptorLimit()} `, "m"));
});

test.runIf(isLinux)("what is open is counted", () => {
  const before = openDescriptors() ?? 0;
  const files = Array.from({ length: 50 }, () => openSync("/dev/null", "r"));
  const after = openDescriptors() ?? 0;
  for (const file of files) closeSync(file);
  // The runner opens and closes some of its own.
  expect(after - before).toBeGreaterThan(40);
  expect(after - before).toBeLessThan(60);
});

test("there is one more to be had", () => {
  expect(areDescriptorsUsedUp()).toBe(false);
});

test.each([
  [1_024, 460],
  [20_000, 9_000],
  [2, 1],
  [Infinity, 0],
])("of %d descriptors %d are for clients; 0 is no limit", (descriptors, connections) => {
  expect(connectionsFor(descriptors)).toBe(connections);
});
