import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Installed, installPacked } from "./install.ts";
import { repository, run } from "./run.ts";
import { serve } from "./serve.ts";

let installed: Installed;
let root: string;
let files: readonly string[];

beforeAll(async () => {
  installed = await installPacked();
  root = join(installed.project, "node_modules/plugboard");
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith("node_modules/"));
});

afterAll(() => installed?.remove());

test("the tarball holds the build and the papers, and nothing else", () => {
  const kinds = [
    /^dist\/(core|plugins)\/[\w/-]+\.(js|d\.ts)$/,
    /^(README\.md|plugins\/README\.md|CHANGELOG\.md|LICENSE|package\.json)$/,
    /^proxy\.config\.ts$/, // What `plugboard init` writes.
  ];
  expect(files.filter((file) => !kinds.some((kind) => kind.test(file)))).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining(["README.md", "CHANGELOG.md", "LICENSE", "package.json", "dist/core/index.js"]),
  );
});

test("each source has what was built of it, and nothing was built of what is gone", async () => {
  const all = await Promise.all(
    ["core", "plugins"].map((folder) => readdir(join(repository, folder), { recursive: true })),
  );
  const sources = ["core", "plugins"].flatMap((folder, i) => all[i]!.map((file) => `${folder}/${file}`));
  const built = files.filter((file) => file.endsWith(".js"));
  const expected = sources.filter((file) => file.endsWith(".ts")).map((file) => `dist/${file.replace(/ts$/, "js")}`);
  expect(built.toSorted()).toEqual(expected.toSorted());
});

test("nothing is run when it is installed", async () => {
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  expect(Object.keys(scripts).filter((name) => /install|^prepare$/.test(name))).toEqual([]);
});

test("publint has nothing to say, strictly", async () => {
  const { code, output } = await run(
    "npx",
    ["--no-install", "publint", "run", installed.tarball, "--strict"],
    repository,
  );
  expect(output).toContain("All good!");
  expect(code).toBe(0);
});

/** What the repository's compiler says of a file of the project, and of what that imports of this package. */
async function typeCheck(file: string): Promise<readonly string[]> {
  const types = ["--types", "node", "--typeRoots", join(repository, "node_modules/@types")];
  const module = ["--module", "nodenext", "--target", "es2023", "--allowImportingTsExtensions"];
  const tsc = join(repository, "node_modules/typescript/bin/tsc");
  const args = [tsc, "--ignoreConfig", "--noEmit", "--strict", ...module, ...types, file];
  const { output } = await run(process.execPath, args, installed.project);
  // Libraries are checked too, to see the declarations of this package; those of others are not ours to mend.
  return output.split("\n").filter((line) => line !== "" && !/^node_modules\/(?!plugboard\/)/.test(line));
}

test("the project's config type-checks against the packed types", async () => {
  expect(await typeCheck("proxy.config.ts")).toEqual([]);
});

test("the packed types refuse a wrong option", async () => {
  const config = await readFile(join(installed.project, "proxy.config.ts"), "utf8");
  await writeFile(join(installed.project, "wrong.ts"), config.replace("greeting:", "greetings:"));
  expect(await typeCheck("wrong.ts")).toEqual([expect.stringContaining("'greetings' does not exist")]);
});

test("every export is there for a plain import", async () => {
  const script = `
    for (const name of ["", "/plugins", "/plugins/select/round-robin", "/testing"]) {
      if (Object.keys(await import("plugboard" + name)).length === 0) throw new Error("nothing in plugboard" + name);
    }
    await import("plugboard/package.json", { with: { type: "json" } });
    console.log("all there");`;
  const { code, output } = await run(process.execPath, ["--input-type=module", "-e", script], installed.project);
  expect(output).toContain("all there");
  expect(code).toBe(0);
});

test("npx plugboard serves the project's config with its own plugin, and stops", async () => {
  const { url, stop } = await serve(installed.project);
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "fast", stream: true, messages: [{ role: "user", content: "hi" }] }),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("x-greeting")).toBe("hello");
  expect(response.headers.get("x-mock-backend")).toBe("packed");
  expect(await response.text()).toMatch(/"model":"small"[^]*data: \[DONE\]\n\n$/);
  expect(await stop()).toBe(0);
  await expect(fetch(url)).rejects.toThrow("fetch failed");
});

test("npx plugboard check and --version end by themselves", async () => {
  const { version } = JSON.parse(await readFile(join(repository, "package.json"), "utf8")) as { version: string };
  const check = await run("npx", ["--no-install", "plugboard", "check"], installed.project);
  expect(check).toMatchObject({ code: 0, output: expect.stringContaining("greet") });
  const told = await run("npx", ["--no-install", "plugboard", "--version"], installed.project);
  expect(told).toMatchObject({ code: 0, output: expect.stringContaining(version) });
});
