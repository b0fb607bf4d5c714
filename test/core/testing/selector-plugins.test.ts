import { readdirSync } from "node:fs";
import { expect, test, vi } from "vitest";
import type { Plugin } from "plugboard";
import { fakePool, selectorOf, testSelector } from "plugboard/testing";
import { failures } from "./failures.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 60_000 });

const folder = new URL("../../../plugins/select/", import.meta.url);
const factories: (readonly [string, () => Plugin])[] = [];
for (const file of readdirSync(folder).filter((name) => /^[a-z].*\.ts$/.test(name))) {
  for (const create of Object.values((await import(new URL(file, folder).href)) as Record<string, () => Plugin>)) {
    if (await needsNoOptions(create)) factories.push([file, create]);
  }
}

// What a selector promises beyond this its own test claims; what it allocates shows only where nothing else has run.
test.for(factories)("%s holds the laws for all", async ([, factory]) => {
  const create = () => factory();
  expect(await failures((run) => testSelector({ test: run, create }))).toEqual([]);
});

test("most selectors need no options", () => {
  expect(factories.length).toBeGreaterThan(10);
});

async function needsNoOptions(create: () => Plugin): Promise<boolean> {
  try {
    await selectorOf(create(), fakePool());
    return true;
  } catch {
    return false; // what it lacks is said by its own test
  }
}
