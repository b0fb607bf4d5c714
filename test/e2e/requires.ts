import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { test, type TestAPI } from "vitest";

/**
 * `test` for what needs a program of the machine. Where it is missing the tests are skipped, and say so; a CI run has to
 * install it, so there its absence is a failure.
 */
export function testWith(program: string): TestAPI["skip"] {
  if (isInstalled(program)) return test;
  const message = `${program} is not installed, so its tests`;
  if (process.env.CI) throw new Error(`${message} cannot run; install it`);
  console.warn(`${message} are skipped`);
  return test.skip;
}

function isInstalled(program: string): boolean {
  const directories = (process.env.PATH ?? "").split(delimiter);
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false; // not in this one
    }
  });
}
