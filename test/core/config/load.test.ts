import { basename } from "node:path";
import * as core from "plugboard";
import * as plugins from "plugboard/plugins";
import { expect, test } from "vitest";
import { findConfig, loadConfig } from "../../../core/config/load.ts";
import { isConfigLoadError } from "../../../core/config/load-error.ts";
import { watchCollected } from "../collected.ts";
import { createProject } from "./_project.ts";

/** Loads a config and returns its `limits`, where these tests put what they want to see. */
async function seen(path: string, stale?: readonly string[]): Promise<{ value: unknown; files: readonly string[] }> {
  const { config, files } = await loadConfig(path, { stale });
  return { value: "limits" in config ? config.limits : undefined, files };
}

test("finds a config by its usual names, TypeScript first", async () => {
  const { directory, write } = await createProject();
  expect(findConfig(directory)).toBeUndefined();
  const plain = await write("proxy.config.mjs", "");
  expect(findConfig(directory)).toBe(plain);
  const typed = await write("proxy.config.ts", "");
  expect(findConfig(directory)).toBe(typed);
});

test("loads TypeScript with local files of every kind, and lists those it read", async () => {
  const { write } = await createProject();
  await write("local/typed.ts", "export const typed: number = 1;");
  await write("local/data.json", '{ "n": 2 }');
  await write("local/plain.js", "export const plain = 3;");
  const path = await write(
    "proxy.config.ts",
    `import { typed } from "./local/typed.ts";
     import data from "./local/data.json";
     import { plain } from "./local/plain.js";
     const limits: object = { typed, data: data.n, plain };
     export default { plugins: [], limits };`,
  );
  const { value, files } = await seen(path);
  expect(value).toEqual({ typed: 1, data: 2, plain: 3 });
  expect(files.map((file) => basename(file)).toSorted()).toEqual(["data.json", "proxy.config.ts", "typed.ts"]);
});

test("gives the config the plugboard that is running, not a second copy", async () => {
  const { write } = await createProject();
  const path = await write(
    "proxy.config.ts",
    `import * as core from "plugboard";
     import * as plugins from "plugboard/plugins";
     export default { plugins: [], limits: { core: core.definePlugin, plugins: plugins.roundRobin } };`,
  );
  expect((await seen(path)).value).toEqual({
    core: core.definePlugin,
    plugins: plugins.roundRobin,
  });
});

test("prefers the plugboard that is running to one that is installed beside the config", async () => {
  const { write } = await createProject();
  await write(
    "node_modules/plugboard/package.json",
    '{ "name": "plugboard", "type": "module", "exports": "./index.js" }',
  );
  await write("node_modules/plugboard/index.js", "export const definePlugin = 0;");
  const path = await write(
    "proxy.config.ts",
    'import { definePlugin } from "plugboard"; export default { plugins: [], limits: { definePlugin } };',
  );
  expect((await seen(path)).value).toEqual({ definePlugin: core.definePlugin });
});

test("loads JavaScript and a default export that is a function", async () => {
  const { write } = await createProject();
  const path = await write("proxy.config.mjs", "export default ({ mode }) => ({ plugins: [], host: mode });");
  const { config } = await loadConfig(path);
  expect(typeof config === "function" && (await config({ mode: "check" })).host).toBe("check");
});

test("waits for a config that awaits", async () => {
  const { write } = await createProject();
  const path = await write(
    "proxy.config.ts",
    "export default { plugins: [], limits: await Promise.resolve({ body: 7 }) };",
  );
  expect((await seen(path)).value).toEqual({ body: 7 });
});

test("reads the config and its imports anew when it is told of them", async () => {
  const { write } = await createProject();
  await write("local/typed.ts", "export const typed = 1;");
  const path = await write(
    "proxy.config.ts",
    'import { typed } from "./local/typed.ts"; export default { plugins: [], limits: { typed } };',
  );
  const first = await seen(path);
  await write("local/typed.ts", "export const typed = 2;");
  expect((await seen(path, first.files)).value).toEqual({ typed: 2 });
});

test("reads plain JavaScript anew too, through files that did not change", async () => {
  const { write } = await createProject();
  await write("local/deep.js", "export const deep = 1;");
  await write("local/plain.mjs", 'export { deep } from "./deep.js";');
  const path = await write(
    "proxy.config.ts",
    'import { deep } from "./local/plain.mjs"; export default { plugins: [], limits: { deep } };',
  );
  const first = await seen(path);
  await write("local/deep.js", "export const deep = 2;");
  const second = await seen(path, first.files);
  expect(second.value).toEqual({ deep: 2 });
  expect(second.files.map((file) => basename(file)).toSorted()).toEqual(["deep.js", "plain.mjs", "proxy.config.ts"]);
  await write("local/deep.js", "export const deep = 3;");
  expect((await seen(path, second.files)).value).toEqual({ deep: 3 });
});

test.each(["mjs", "js", "ts"])("keeps nothing of what earlier loads read, in .%s files", async (extension) => {
  const { write } = await createProject();
  await write(`local/deep.${extension}`, "export const deep = { deep: true };");
  const path = await write(
    `proxy.config.${extension}`,
    `import { deep } from "./local/deep.${extension}"; export default { plugins: [], limits: { deep } };`,
  );
  const watched = watchCollected();
  let files = (await seen(path)).files;
  const reload = async (): Promise<void> => {
    const { value, files: read } = await seen(path, files);
    files = read;
    watched.add((value as { deep: object }).deep);
  };
  for (let round = 0; round < 20; round++) await reload();
  expect(await watched.left(1)).toBe(1);
});

test("reads anew what the project imported only after it was loaded", async () => {
  const { write } = await createProject();
  await write("late.mjs", "export const late = 1;");
  const path = await write("proxy.config.mjs", 'export default async () => (await import("./late.mjs")).late;');
  const late = async (stale: readonly string[]): Promise<unknown> => {
    const { config } = await loadConfig(path, { stale });
    return typeof config === "function" && config({ mode: "check" });
  };
  expect(await late([path])).toBe(1);
  await write("late.mjs", "export const late = 2;");
  expect(await late([path])).toBe(2);
});

test("loads what an earlier load failed on, once it is repaired", async () => {
  const { write } = await createProject();
  await write("local/typed.ts", "export const typed = ;");
  const path = await write(
    "proxy.config.ts",
    'import { typed } from "./local/typed.ts"; export default { plugins: [], limits: { typed } };',
  );
  const error = await loadConfig(path).catch((reason: unknown) => reason);
  const files = isConfigLoadError(error) ? error.files : [];
  expect(files.map((file) => basename(file))).toContain("typed.ts");
  await write("local/typed.ts", "export const typed = 2;");
  expect((await seen(path, files)).value).toEqual({ typed: 2 });
});

test("refuses a path that leads to no file", async () => {
  const { directory, path: at } = await createProject();
  const missing = await loadConfig(at("none.ts")).catch((reason: unknown) => reason);
  expect(missing).toMatchObject({
    message: "there is no such file",
    file: at("none.ts"),
  });
  const folder = await loadConfig(directory).catch((reason: unknown) => reason);
  expect(folder).toMatchObject({ message: "this is not a file" });
});
