import { env } from "plugboard";
import { expect, test } from "vitest";
import { assumeVariables } from "../../../core/config/env.ts";

test("where variables are assumed, one that is missing is its name", () => {
  assumeVariables();
  expect(env("PLUGBOARD_TEST_MISSING")).toBe("<variable-PLUGBOARD_TEST_MISSING>");
  expect(env("PLUGBOARD_TEST_MISSING", "own")).toBe("own");
});
