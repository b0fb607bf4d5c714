import { readFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { createProject, type Event, run, type Started, start } from "./_cli.ts";

interface Babysitter extends Started {
  readonly ready: Event;
  readonly url: string;
  readonly control: string;
}

async function babysit(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Babysitter> {
  const started = start(["babysit", "--json", "--bind", "127.0.0.1", ...args], { env });
  // Killed as other commands are at the end of a test, it would leave its backend running.
  onTestFinished(async () => {
    started.signal("SIGTERM");
    await started.exited;
  });
  const ready = await started.next("ready");
  return { ...started, ready, url: String(ready["url"]), control: String(ready["control"]) };
}

async function openRegistry(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const started = start(["registry", "--json", "--port", "0", "--bind", "127.0.0.1", ...args], { env });
  const { urls } = await started.next("ready");
  return String((urls as readonly string[])[0]);
}

interface Listed {
  readonly name: string;
  readonly port: number;
  readonly is_healthy: boolean;
  readonly weight: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

async function list(registry: string): Promise<readonly Listed[]> {
  const { services } = (await (await fetch(`${registry}/services`)).json()) as { services: Listed[] };
  return services.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function statusOf(url: string): Promise<number> {
  return fetch(url).then(
    ({ status }) => status,
    () => 0,
  );
}

/** A server of three lines that says in a file how it was started. */
const script = `
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
const [file, port, ...rest] = process.argv.slice(2);
writeFileSync(file, JSON.stringify({ rest, given: process.env.GIVEN, other: process.env.OTHER, pid: process.pid, cwd: process.cwd() }));
createServer((req, res) => res.end(JSON.stringify({ data: [{ id: "from-script" }] }))).listen(Number(port), "127.0.0.1");
`;

test("runs what stands behind --, registers it, and takes both back on SIGTERM", async () => {
  const project = await createProject({ "engine.mjs": script });
  const registry = await openRegistry();
  const flags = `--name one --port 0 --registry-url ${registry} --weight 2.5 --env GIVEN=x --work-dir`.split(" ");
  const command = [process.execPath, "engine.mjs", "out.json", "{port}", "a b", "--help", "$HOME"];
  const { ready, url, control, signal, exited } = await babysit([...flags, project.directory, "--", ...command]);
  expect(ready).toMatchObject({ name: "one", registry: [registry] });
  await eventually(async () => expect((await list(registry)).map(({ name }) => name)).toEqual(["one", "one-server"]));
  const [own, server] = await list(registry);
  expect(own).toMatchObject({ port: Number(new URL(control).port), metadata: { type: "command" } });
  expect(server).toMatchObject({ port: Number(new URL(url).port), weight: 2.5, metadata: { models: ["from-script"] } });
  expect(await statusOf(`${control}/health`)).toBe(200);
  const seen = JSON.parse(await readFile(project.path("out.json"), "utf8"));
  expect(seen).toMatchObject({ rest: ["a b", "--help", "$HOME"], given: "x" });
  signal("SIGTERM");
  expect(await exited).toBe(0);
  expect(await list(registry)).toEqual([]);
  expect(await statusOf(url)).toBe(0);
});

test("reads the original's TOML, of which few flags count before the file", async () => {
  const registry = await openRegistry([], { PLUGBOARD_REGISTRY_TOKEN: "canary-0123456789" });
  const { path } = await createProject({
    "service.toml": `
      name = "from-file"
      host = "0.0.0.0"
      port = 18100
      registry_url = "http://127.0.0.1:9"
      [backend]
      type = "mock"
      models = ["a"]
      [metadata]
      cache_type = "paged"
    `,
  });
  const flags = [
    "--name",
    "renamed",
    "--port",
    "0",
    "--host",
    "127.0.0.1",
    "--registry",
    registry,
    "--restart-delay",
    "9",
  ];
  const { ready, next } = await babysit(["--config-file", path("service.toml"), ...flags], {
    PLUGBOARD_REGISTRY_TOKEN: "canary-0123456789",
  });
  expect(ready).toMatchObject({ name: "renamed", registry: [registry] });
  expect(JSON.stringify(ready)).not.toContain("canary");
  const { message } = await next("log");
  expect(message).toBe(`beside ${path("service.toml")} these flags do not count: --restart-delay`);
  await eventually(async () => {
    const [, server] = await list(registry);
    expect(server).toMatchObject({ name: "renamed-server", metadata: { cache_type: "paged", models: ["a"] } });
  });
});

test("a registry that starts anew is told again", async () => {
  const { path } = await createProject({});
  const args = ["registry", "--json", "--bind", "127.0.0.1", "--port"];
  const first = start([...args, "0"]);
  const { urls } = await first.next("ready");
  const registry = String((urls as readonly string[])[0]);
  const flags = ["--registry-url", registry, "--heartbeat-interval", "0.2", "--service-type", "mock", "--args", "a,b"];
  await babysit(["--port", "0", "--name", "again", "--work-dir", path(""), ...flags]);
  await eventually(async () => expect(await list(registry)).toHaveLength(2));
  first.signal("SIGKILL");
  await first.exited;
  await start([...args, new URL(registry).port]).next("ready");
  await eventually(async () => expect(await list(registry)).toHaveLength(2));
});

test("--args may begin with a dash", async () => {
  const project = await createProject({ "engine.mjs": script });
  const command = `${process.execPath} ${project.path("engine.mjs")} ${project.path("out.json")}`;
  await babysit(["--name", "dashed", "--port", "0", "--command", `${command} {port}`, "--args", "-a --b 'c d'"]);
  await eventually(async () => {
    const { rest } = JSON.parse(await readFile(project.path("out.json"), "utf8"));
    expect(rest).toEqual(["-a", "--b", "c d"]);
  });
});

test("ends when it is asked to while its backend does not answer yet, and leaves nothing behind", async () => {
  const project = await createProject({
    "sleep.mjs": `setInterval(() => {}, 1000); console.log("pid " + process.pid);`,
  });
  const command = [process.execPath, project.path("sleep.mjs")];
  const { next, signal, exited, control } = await babysit(["--name", "sleeper", "--port", "0", "--", ...command], {
    RUST_LOG: "infini_babysitter=info",
  });
  let pid = 0;
  while (pid === 0) pid = Number(/pid (\d+)/u.exec(String((await next("log")).message))?.[1] ?? 0);
  expect(await statusOf(`${control}/health`)).toBe(503);
  signal("SIGTERM");
  expect(await exited).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("tells a person where it is, and not how it was started", async () => {
  const started = start([
    "babysit",
    "--port",
    "0",
    "--name",
    "shown",
    "--",
    process.execPath,
    "-e",
    "0",
    "--key=canary",
  ]);
  const seen: string[] = [];
  while (!seen.at(-1)?.includes("registry")) seen.push(String((await started.next("text")).text));
  const all = seen.join("\n");
  expect(all).toMatch(/➜ {2}http:\/\/localhost:\d+/u);
  expect(all).toMatch(/runs +shown: \S+ \(command\)/u);
  expect(all).toMatch(/control +http:\/\/localhost:\d+\/health/u);
  expect(all).toMatch(/registry +none/u);
  expect(all).not.toContain("canary");
  started.signal("SIGTERM");
  expect(await started.exited).toBe(0);
});

test.each([
  [[], "--port\n  It is missing"],
  [["--port", "1", "--service-type", "vlm", "--", "x"], "Expected one of command, vLLM, mock, InfiniLM-Rust, InfiniLM"],
  [["--port", "1", "--command", "a", "--", "b"], "another behind --"],
  [["--port", "1", "--"], "Expected a program"],
  [["--config-file", "/no/such/file"], "--config-file /no/such/file cannot be read: ENOENT"],
  [["--config-file", "/no/such/file", "--", "x"], "a command behind -- goes without --config-file"],
  [["--port", "1", "--registry-url", "localhost:1", "--", "x"], "Expected a URL such as http://127.0.0.1:18000"],
  [["--port", "1", "--token", "a b", "--", "x"], "--token has characters that no header can carry"],
  [["--prot", "1", "--", "x"], "did you mean --port?"],
])("%j is refused", async (args, message) => {
  const { code, stderr, stdout } = await run(["babysit", ...args]);
  expect({ code, stderr, stdout }).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(message) });
});

test("all problems of a file are told with their lines", async () => {
  const { path } = await createProject({ "bad.toml": 'prot = 1\n[backend]\ntype = "vllm"\nargs = [1]\n' });
  const { code, stderr } = await run(["babysit", "--config-file", path("bad.toml")]);
  expect(code).toBe(2);
  expect(stderr).toContain("has 4 problems");
  expect(stderr).toContain("bad.toml:1  prot\n  unknown key prot\n  → did you mean port?");
  expect(stderr).toContain("bad.toml:4  backend.args.0");
});
