import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createProject, root, run, serve } from "./_cli.ts";

test("writes a config that is served at once, with what it promises", async () => {
  const { directory } = await createProject();
  const { code, stdout } = await run(["init"], { cwd: directory });
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("wrote proxy.config.ts") });
  const { url, ready } = await serve([], { cwd: directory });
  expect(ready.targets).toHaveLength(3);
  const asked = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "fast", messages: [{ role: "user", content: "hello" }] }),
  });
  expect(await asked.json()).toMatchObject({ object: "chat.completion", model: "qwen3-8b" });
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data.map(({ id }) => id)).toContain("smart");
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

test("is the config that this package itself starts with", async () => {
  const { directory, path } = await createProject();
  await run(["init"], { cwd: directory });
  expect(await readFile(path("proxy.config.ts"), "utf8")).toBe(await readFile(join(root, "proxy.config.ts"), "utf8"));
});

test("overwrites nothing but what --force says", async () => {
  const { directory, path } = await createProject({ "proxy.config.ts": "mine" });
  const refused = await run(["init"], { cwd: directory });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("pass --force to overwrite it") });
  expect(await readFile(path("proxy.config.ts"), "utf8")).toBe("mine");
  expect(await run(["init", "--force"], { cwd: directory })).toMatchObject({ code: 0 });
  expect(await readFile(path("proxy.config.ts"), "utf8")).not.toBe("mine");
});

test("does not write a second config beside one of another name", async () => {
  const { directory, path } = await createProject();
  await writeFile(path("proxy.config.mjs"), "mine");
  expect(await run(["init"], { cwd: directory })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("proxy.config.mjs is there already"),
  });
});
