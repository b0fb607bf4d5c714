import { expect, test } from "vitest";
import { chat, createProject, mocks, said, says, serve } from "./_cli.ts";

test("lets a stream end on SIGTERM, then exits with 0", async () => {
  const project = await createProject({ "proxy.config.mjs": mocks("slow") });
  const { url, signal, next, exited } = await serve([], { cwd: project.directory });
  const response = await chat(url, { stream: true });
  signal("SIGTERM");
  expect(await next("draining")).toMatchObject({ signal: "SIGTERM", active: 1 });
  expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/u);
  await next("closed");
  expect(await exited).toBe(0);
});

test("ends at once on a second signal, and cuts what is under way", async () => {
  const project = await createProject({ "proxy.config.mjs": mocks("slow").replace("50", "600000") });
  const { url, signal, next, exited } = await serve([], { cwd: project.directory });
  const response = await chat(url, { stream: true });
  signal("SIGINT");
  await next("draining");
  signal("SIGINT");
  await expect(response.text()).rejects.toThrow("terminated");
  expect(await exited).toBe(0);
});

test("logs an error that no one caught, and exits with 1", async () => {
  const project = await createProject({
    "proxy.config.mjs": says('setTimeout(() => { throw new Error("a plugin broke"); })'),
  });
  const { url, next, exited } = await serve([], { cwd: project.directory });
  await said(url).catch(() => {});
  expect(await next("fatal")).toMatchObject({ message: expect.stringContaining("a plugin broke") });
  expect(await exited).toBe(1);
});
