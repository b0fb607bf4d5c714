import { createProxy, definePlugin, type KnownTarget, type Plugin } from "plugboard";
import { alias, type AliasOptions } from "plugboard/plugins/resolve/alias";
import { describe, expect, test } from "vitest";
import { problemsOf } from "../../core/config/config-error-of.ts";
import { first } from "./stage.ts";

const known: readonly KnownTarget[] = [{ id: "gpu", models: ["a", "b"], labels: { provider: "local" } }];

function knowing(): Plugin {
  return definePlugin({
    name: "knowing",
    setup: (proxy) => proxy.provide("discovery", "knowing", { known, start: () => {} }),
  })();
}

async function refused(given: unknown): Promise<readonly object[]> {
  const plugins = [first(), alias(given as AliasOptions), knowing()];
  const problems = await problemsOf(createProxy({ plugins }));
  return problems.map(({ path, message, fix }) => ({ path, message, fix }));
}

describe("a config is refused", () => {
  const one = [{ model: "a" }];

  test("with a circle, told with the whole way", async () => {
    expect(
      await refused({
        a: { targets: one, fallback: ["b"] },
        b: { targets: one, fallback: "c" },
        c: { targets: one, fallback: [{ model: "a" }, "a"] },
        self: { targets: one, fallback: "self" },
      }),
    ).toEqual([
      {
        path: "c.fallback.1",
        message: "The alias falls back to itself: a -> b -> c -> a",
        fix: "take one of these fallbacks out",
      },
      {
        path: "self.fallback",
        message: "The alias falls back to itself: self -> self",
        fix: "take one of these fallbacks out",
      },
    ]);
  });

  test("with names that nothing has", async () => {
    expect(
      await refused({
        main: { targets: one, fallback: ["secnd", "gpt-*", { model: "d" }, { model: "a", provider: "cloud" }, "b"] },
        second: { targets: one },
        "gpt-*": { targets: [{ model: "*" }] },
      }),
    ).toEqual([
      { path: "main.fallback.0", message: "Alias 'secnd' not found for alias 'main'", fix: 'did you mean "second"?' },
      {
        path: "main.fallback.1",
        message: "Alias 'gpt-*' has a * and cannot be a fallback",
        fix: "give its targets instead",
      },
      {
        path: "main.fallback.4",
        message: "Alias 'b' not found for alias 'main'",
        fix: 'for a model of that name write { model: "b" }',
      },
      { path: "main.fallback.2.model", message: "Model 'd' is not in the list of any target", fix: "known: a, b" },
      {
        path: "main.fallback.3.provider",
        message: "Provider 'cloud' not found for alias 'main'",
        fix: "known: local, gpu",
      },
    ]);
  });

  test.each([
    [{ fallbackOn: [500] }, "Expected a fallback for these statuses"],
    [{ fallback: [] }, "Expected at least one fallback"],
    [{ fallback: "x", fallbackOn: [200] }, "Expected 400 to 599"],
    [{ fallback: { model: "gpt-*" } }, "Expected the name of one model, without *"],
  ])("for %j", async (entry, message) => {
    expect(await refused({ main: { targets: one, ...entry } })).toContainEqual(expect.objectContaining({ message }));
  });
});
