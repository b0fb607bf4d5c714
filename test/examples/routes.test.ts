import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { checkConfig } from "../../core/check.ts";
import { assumeVariables } from "../../core/config/env.ts";
import { loadConfig } from "../../core/config/load.ts";
import { run } from "../core/cli/_cli.ts";

const directory = fileURLToPath(new URL("../../examples/", import.meta.url));
const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());

// Nobody's keys are needed to look at an example.
assumeVariables();

test("there is an example for each way to route that people ask for first", () => {
  const names = folders.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["canary", "cheapest-first", "failover", "local-first", "sticky-sessions"]),
  );
});

describe.each(folders.map(({ name }) => name))("examples/%s", (name) => {
  const config = `${directory}${name}/proxy.config.ts`;
  const source = readFileSync(config, "utf8");

  test("says in its first line what it shows and how to run it", () => {
    expect(source.split("\n")[0]).toMatch(/^\/\/ [A-Z].*\. Run it: npx plugboard --config /);
    expect(source.split("\n")[0]).toContain(`examples/${name}/proxy.config.ts`);
  });

  test("is short, and imports plugboard as a user does", () => {
    expect(source.trimEnd().split("\n").length).toBeLessThanOrEqual(45);
    expect(source).not.toMatch(/from "\.\.?\//);
  });

  test("loads and links", async () => {
    const loaded = await loadConfig(config);
    expect((await checkConfig(loaded.config)).plugins.length).toBeGreaterThan(1);
  });

  test("keeps what its table of routes promises", async () => {
    expect(existsSync(`${directory}${name}/routes.yaml`)).toBe(true);
    const { code, stdout, stderr } = await run(["test", `examples/${name}/routes.yaml`]);
    expect({ code, stderr, stdout }).toMatchObject({ code: 0, stderr: "" });
    expect(stdout).toMatch(/\n[3-9] passed, 0 failed\n$/);
  });
});
