import { definePlugin, env, type Plugin } from "plugboard";
import * as v from "valibot";
import { afterEach, expect, test, vi } from "vitest";
import type { ConfigProblem } from "../../../core/config/config-error.ts";
import { validateConfig } from "../../../core/config/validate.ts";
import { problemsOf } from "./config-error-of.ts";

const keyed = definePlugin({
  name: "keyed",
  multiple: true,
  options: v.strictObject({ key: v.string(), more: v.optional(v.record(v.string(), v.array(v.string()))) }),
  setup: () => {},
});
const problems = (...plugins: Plugin[]): Promise<readonly ConfigProblem[]> => problemsOf(validateConfig({ plugins }));

afterEach(() => vi.unstubAllEnvs());

test("a variable that is set is its value", () => {
  vi.stubEnv("PLUGBOARD_TEST_KEY", "sk-1");
  expect(env("PLUGBOARD_TEST_KEY")).toBe("sk-1");
  expect(`Bearer ${env("PLUGBOARD_TEST_KEY")}`).toBe("Bearer sk-1");
});

test("one that is not set, or empty, is the fallback", () => {
  vi.stubEnv("PLUGBOARD_TEST_KEY", "");
  expect(env("PLUGBOARD_TEST_KEY", "none")).toBe("none");
  expect(env("PLUGBOARD_TEST_MISSING", "")).toBe("");
});

test("without a fallback it is a problem of the option it stands in, and the only one there", async () => {
  const found = await problems(keyed({ key: env("PLUGBOARD_TEST_MISSING") }));
  expect(found).toEqual([
    {
      plugin: "plugins[0] keyed",
      index: 0,
      path: "key",
      message: "the environment variable PLUGBOARD_TEST_MISSING is not set",
      fix: "set it before the start: export PLUGBOARD_TEST_MISSING=...",
    },
  ]);
});

test("all that are missing are told at once, beside all else that is wrong", async () => {
  const found = await problems(
    keyed({ key: env("MISSING_A"), more: { x: ["fine", env("MISSING_B")] } }),
    keyed({ key: 5 } as never),
  );
  expect(found.map(({ plugin, path, message }) => `${plugin} ${path}: ${message}`)).toEqual([
    "plugins[0] keyed key: the environment variable MISSING_A is not set",
    "plugins[0] keyed more.x.1: the environment variable MISSING_B is not set",
    expect.stringContaining("plugins[1] keyed key: "),
  ]);
});

test("within a longer text it stops the config, and names the variable", () => {
  expect(() => `Bearer ${env("MISSING_A")}`).toThrow("the environment variable MISSING_A is not set; set it before");
});
