import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { checkConfig } from "../../core/check.ts";
import { loadConfig } from "../../core/config/load.ts";

const directory = fileURLToPath(new URL("../../examples/", import.meta.url));
const files = readdirSync(directory).filter((file) => file.endsWith(".ts"));

describe.each(files)("examples/%s", (file) => {
  const source = readFileSync(directory + file, "utf8");
  const lines = source.trimEnd().split("\n");

  test("says in its first line what it shows and how to run it", () => {
    const name = file.replace(/(\.test)?\.ts$/, "");
    expect(lines[0]).toMatch(/^\/\/ [A-Z].*[.:] Run it: .*npx /);
    expect(lines[0]).toContain(`examples/${name}`);
  });

  test("is short", () => {
    expect(lines.length).toBeGreaterThanOrEqual(9);
    expect(lines.length).toBeLessThanOrEqual(40);
  });

  test("imports plugboard as a user does", () => {
    expect(source).toMatch(/from "plugboard"/);
    expect(source).not.toMatch(/from "\.\.?\//);
  });
});

test.each(files.filter((file) => !file.endsWith(".test.ts")))(
  "the command line loads and links examples/%s",
  async (file) => {
    const { config } = await loadConfig(directory + file);
    expect((await checkConfig(config)).plugins.length).toBeGreaterThan(1);
  },
);
