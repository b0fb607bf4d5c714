import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { isPlugin, type Plugin } from "plugboard";
import * as plugins from "plugboard/plugins";

const root = new URL("../../", import.meta.url);

/** Paths such as `select/round-robin`, sorted by name. */
const paths = readdirSync(new URL("plugins/", root), { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && /^[^_].*\.ts$/.test(entry.name))
  .map((entry) =>
    `${entry.parentPath.slice(new URL("plugins/", root).pathname.length)}/${entry.name}`.replace(/^\//, ""),
  )
  .filter((path) => path !== "index.ts")
  .map((path) => path.replace(/\.ts$/, ""))
  .toSorted((a, b) => (basename(a) < basename(b) ? -1 : 1));

test("there are plugins", () => {
  expect(paths).toContain("select/round-robin");
});

test("plugins/index.ts names each plugin once, in alphabetical order", () => {
  const lines = readFileSync(new URL("plugins/index.ts", root), "utf8").trim().split("\n");
  expect(lines).toEqual(paths.map((path) => `export * from "./${path}.ts";`));
});

describe.each(paths)("%s", (path) => {
  test("is one file in the folder of its kind", () => {
    expect(path).toMatch(/^[a-z]+\/[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  test("has a factory with the name of the file", async () => {
    const file = (await import(/* @vite-ignore */ `plugboard/plugins/${path}`)) as Record<string, unknown>;
    expect(file).toHaveProperty(toFactoryName(path), expect.any(Function));
    expect(plugins).toHaveProperty(toFactoryName(path), file[toFactoryName(path)]);
  });

  test("makes a plugin with the name of the file, or as a preset several", () => {
    const factory = (plugins as unknown as Record<string, () => Plugin | readonly Plugin[]>)[toFactoryName(path)];
    const made = factory?.();
    if (!path.startsWith("preset/")) return expect(made).toHaveProperty("name", basename(path));
    expect(made).toHaveProperty("length", expect.any(Number));
    expect([made].flat().every(isPlugin)).toBe(true);
  });

  test("has a test where one looks for it", () => {
    expect(existsSync(new URL(`test/plugins/${path}.test.ts`, root))).toBe(true);
  });

  test("has its line in the README, with the first sentence of its doc comment", () => {
    const sentence = firstSentence(path);
    expect(sentence.length).toBeGreaterThan(10);
    expect(sentence.length).toBeLessThan(80);
    const names = [`\`${toFactoryName(path)}\``, `\`${toFactoryName(path)}(`, `\`${basename(path)}\``];
    const lines = readme().filter((line) => names.some((name) => line.includes(name)));
    expect(lines.join("\n")).toContain(sentence);
  });
});

/** Without its full stop. */
function firstSentence(path: string): string {
  const source = readFileSync(new URL(`plugins/${path}.ts`, root), "utf8");
  const before = source.slice(0, source.indexOf(`export const ${toFactoryName(path)}`));
  const comment = before.slice(before.lastIndexOf("/**") + 3).replaceAll(/\s*\n\s*\*\s?/g, " ");
  return comment.trim().split(/\.(?:\s|$)/)[0] ?? "";
}

function toFactoryName(path: string): string {
  return basename(path).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function readme(): string[] {
  const file = new URL("plugins/README.md", root);
  return existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
}
