import type { IncomingMessage } from "node:http";
import { get as getTls } from "node:https";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { chat, createProject, mocks, run, said, says, serve, start } from "./_cli.ts";

/** A port that something else listens on. */
async function takePort(): Promise<number> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("serves a TypeScript config with a local plugin, and tells where", async () => {
  const project = await createProject({
    "local/word.ts": 'export const word: string = "typed";',
    "proxy.config.ts": says("word", { imports: 'import { word } from "./local/word.ts";' }),
  });
  const { url, ready, pid } = await serve([], { cwd: project.directory });
  expect(await said(url)).toBe("typed");
  expect(ready).toMatchObject({
    config: project.path("proxy.config.ts"),
    plugins: ["say"],
    pid,
    urls: [url],
    targets: [],
  });
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u);
});

test("tells a person the address, the config, the plugins and the targets", async () => {
  const project = await createProject({ "proxy.config.ts": mocks("mocked") });
  const { next } = start(["--port", "0"], { cwd: project.directory });
  const seen: string[] = [];
  while (!seen.at(-1)?.includes("mocked")) seen.push(String((await next("text")).text));
  const all = seen.join("\n");
  expect(all).toMatch(/plugboard \d+\.\d+\.\d+ {2}ready in \d+ ms/u);
  expect(all).toMatch(/➜ {2}http:\/\/127\.0\.0\.1:\d+/u);
  expect(all).toMatch(/config +proxy\.config\.ts/u);
  expect(all).toMatch(/plugins +mock-backend, round-robin, model/u);
  expect(all).toMatch(/targets +● http:\/\/127\.0\.0\.1:\d+ +mocked +small/u);
});

test("hands its own plugboard to a config, and so knows what the config was made with", async () => {
  const project = await createProject({ "proxy.config.mjs": mocks("native") });
  const { url, ready } = await serve([], { cwd: project.directory });
  expect(ready).toMatchObject({ targets: [{ id: "native", pool: "default", models: ["small"], up: true }] });
  expect((await chat(url)).status).toBe(200);
});

test("takes the port from --port, else PORT, else the config", async () => {
  const busy = await takePort();
  const { directory } = await createProject({ "proxy.config.mjs": says("1", { rest: `port: ${busy}` }) });
  const refused = await run([], { cwd: directory });
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(`port ${busy} is in use`);
  expect(refused.stderr).toContain("pass --port");
  const byEnvironment = start(["--json"], { cwd: directory, env: { PORT: "0" } });
  await byEnvironment.next("ready");
  await serve([], { cwd: directory, env: { PORT: String(busy) } });
});

test("says that a port is in use with --https too", async () => {
  const { directory } = await createProject({ "proxy.config.mjs": says("1") });
  const busy = await takePort();
  const { code, stderr } = await run(["--https", "--port", String(busy)], { cwd: directory });
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(`port ${busy} is in use`) });
});

test("says that a host is none of this machine's, or none at all", async () => {
  const { directory } = await createProject({ "proxy.config.mjs": says("1") });
  const other = await run(["--port", "0", "--host", "192.0.2.1"], { cwd: directory });
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("192.0.2.1 is no address of this machine") });
});

test("serves HTTPS with a certificate of its own", async () => {
  const { directory } = await createProject({ "proxy.config.mjs": says('"secret"') });
  const { url } = await serve(["--https"], { cwd: directory });
  expect(url).toMatch(/^https:/u);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    getTls(url, { rejectUnauthorized: false, agent: false }, resolve).on("error", reject);
  });
  expect(await text(response)).toBe("secret");
});

test("serves --target without a config, by the selector that --select names", async () => {
  const project = await createProject({ "proxy.config.mjs": mocks("behind") });
  const upstream = await serve([], { cwd: project.directory });
  const { url, ready } = await serve(["--target", upstream.url, "-t", `${upstream.url}/`, "--select", "random"]);
  expect(ready).not.toHaveProperty("config");
  expect(ready.plugins).toContain("random");
  expect(ready.targets).toHaveLength(2);
  expect((await chat(url)).status).toBe(200);
});

test("exits with 1 when a plugin cannot start, and says which", async () => {
  const { directory } = await createProject({
    "proxy.config.mjs": `import { definePlugin } from "plugboard";
      const broken = definePlugin({ name: "broken", setup(proxy) { proxy.onReady(() => { throw new Error("no way to start"); }); } });
      export default { plugins: [broken()] };`,
  });
  expect(await run([], { cwd: directory })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no way to start"),
  });
});

test("writes what plugins log as JSON lines", async () => {
  const project = await createProject({
    "proxy.config.mjs": `import { definePlugin } from "plugboard";
      const talks = definePlugin({ name: "talks", setup(proxy) { proxy.log.warn("careful", { n: 1 }); } });
      export default { plugins: [talks()] };`,
  });
  const { next } = await serve([], { cwd: project.directory });
  expect(await next("log")).toMatchObject({
    level: "warn",
    tag: expect.stringContaining("talks"),
    message: "careful { n: 1 }",
  });
});
