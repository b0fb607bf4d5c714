import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(`${root}examples/vllm/README.md`, "utf8");
const config = readFileSync(`${root}examples/vllm/proxy.config.ts`, "utf8");

function section(title: string): string {
  const text = readme.split(`\n## ${title}\n`)[1]?.split("\n## ")[0];
  if (text === undefined) throw new Error(`the README has no section "${title}"`);
  return text;
}

const rows = (text: string): string[] =>
  text
    .split("\n")
    .filter((line) => /^\| [^-]/u.test(line))
    .slice(1);

describe.each([
  ["What the original did wrong", 11],
  ["What its tests say", 17],
])("%s", (title, count) => {
  const claims = rows(section(title)).map((row) => [row, ...(/`(test\/[\w./-]+)`: "([^"]+)" *\|$/u.exec(row) ?? [])]);

  test("names a test in each line", () => {
    expect(claims).toHaveLength(count);
    for (const [row, claim] of claims) expect(claim, row).toBeDefined();
  });

  test.each(claims.map(([, , file = "", name = ""]) => [file, name]))("%s: %s", (file, name) => {
    expect(existsSync(root + file)).toBe(true);
    expect(readFileSync(root + file, "utf8")).toContain(`"${name}"`);
  });
});

test("the variables in the README are those of the config", () => {
  const told = new Set(
    section("How to switch")
      .match(/`[A-Z][A-Z\d_]{3,}`/gu)
      ?.map((name) => name.slice(1, -1)),
  );
  const read = [...config.matchAll(/(?:env|seconds|process\.env)[([]"([A-Z\d_]+)"/gu)].map(([, name]) => name ?? "");
  expect(read.length).toBeGreaterThan(10);
  for (const name of read) expect(told).toContain(name);
});

test("the defaults in the README are those of the config", () => {
  const table = new Map(
    rows(section("How to switch")).map((row) => {
      const [, original = "", here = "", value = ""] = row.split("|").map((cell) => cell.trim());
      return [(here === "same" ? original : here).replaceAll("`", ""), value];
    }),
  );
  const read = [...config.matchAll(/(?:env|seconds)\("([A-Z\d_]+)", "([^"]+)"\)/gu)];
  expect(read.length).toBeGreaterThan(8);
  for (const [, name = "", value] of read) expect(table.get(name), name).toBe(value);
});
