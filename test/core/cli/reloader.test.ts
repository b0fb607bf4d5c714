import { rename } from "node:fs/promises";
import { expect, test } from "vitest";
import { createProject, said, says, serve } from "./_cli.ts";

test("reloads on SIGHUP, plain JavaScript too", async () => {
  const project = await createProject({
    "word.js": 'export const word = "one";',
    "proxy.config.mjs": says("word", { imports: 'import { word } from "./word.js";' }),
  });
  const { url, signal, next } = await serve([], { cwd: project.directory });
  expect(await said(url)).toBe("one");
  for (const word of ["two", "three"]) {
    await project.write("word.js", `export const word = "${word}";`);
    signal("SIGHUP");
    expect(await next("reloaded")).toMatchObject({ reason: "SIGHUP" });
    expect(await said(url)).toBe(word);
  }
});

test("keeps the running config when the new one is refused, and says why", async () => {
  const project = await createProject({ "proxy.config.mjs": says('"good"') });
  const { url, signal, next } = await serve([], { cwd: project.directory });
  await project.write(
    "proxy.config.mjs",
    'import { roundRobin } from "plugboard/plugins";\nexport default { plugins: [roundRobin({ nope: 1 })] };',
  );
  signal("SIGHUP");
  expect(await next("reload-failed")).toMatchObject({
    message: expect.stringContaining("the running config stays"),
    problems: [{ line: 2, plugin: "plugins[0] round-robin" }],
  });
  expect(await said(url)).toBe("good");
  await project.write("proxy.config.mjs", says('"better"', { rest: "port: 1" }));
  signal("SIGHUP");
  await next("reloaded");
  expect(await said(url)).toBe("better");
});

test("tells that another address takes a restart", async () => {
  const project = await createProject({ "proxy.config.mjs": says("1") });
  const { signal, next } = await serve([], { cwd: project.directory });
  await project.write("proxy.config.mjs", says("1", { rest: 'host: "127.0.0.2"' }));
  signal("SIGHUP");
  expect(await next("restart-needed")).toMatchObject({ before: "127.0.0.1:0", after: "127.0.0.2:0" });
});

test("watches the config and all it imports, with files that are replaced or new", async () => {
  const project = await createProject({
    "local/typed.ts": 'import { plain } from "./plain.js"; export const word: string = `${plain}1`;',
    "local/plain.js": 'export const plain = "a";',
    "proxy.config.ts": says("word", { imports: 'import { word } from "./local/typed.ts";' }),
  });
  const { url, next } = await serve(["--watch"], { cwd: project.directory });
  const becomes = async (answer: string): Promise<void> => {
    await next("reloaded");
    expect(await said(url)).toBe(answer);
  };
  expect(await said(url)).toBe("a1");
  await project.write("local/plain.js", 'export const plain = "bb";');
  await becomes("bb1");
  await project.write(
    "local/.typed.ts.tmp",
    'import { added } from "./added.ts"; export const word: string = `typed ${added}`;',
  );
  await project.write("local/added.ts", "export const added = 1;");
  await rename(project.path("local/.typed.ts.tmp"), project.path("local/typed.ts"));
  await becomes("typed 1");
  await project.write("local/added.ts", "export const added = 22;");
  await becomes("typed 22");
  await project.write("local/added.ts", "export const added = ;");
  expect(await next("reload-failed")).toMatchObject({ problems: [{ file: "local/added.ts", line: 1 }] });
  await project.write("local/added.ts", "export const added = 333;");
  await becomes("typed 333");
});
