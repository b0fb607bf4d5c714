import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { freePair } from "../../e2e/fleet/stack.ts";
import { openBackend, openStranger, reaches, runs, scripted, started } from "./backend-rig.ts";

interface Self {
  readonly pid: number;
  readonly grandchild: number;
  readonly positionals: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

async function self(backend: { url(path: string): string }): Promise<Self> {
  return (await (await fetch(backend.url("/self"))).json()) as Self;
}

test("a backend is starting until it answers, then ready with the models it lists", async () => {
  const backend = await openBackend(scripted(["--models", "a,b", "--delay", "150"]));
  expect(backend.status).toMatchObject({ state: "stopped", pid: undefined, restarts: 0 });
  backend.start();
  const { models, pid } = await reaches(backend, "ready");
  expect(backend.states).toEqual(["waiting", "starting", "ready"]);
  expect(models?.map(({ id }) => id)).toEqual(["a", "b"]);
  expect((await self(backend)).pid).toBe(pid);
  expect(backend.lines.join("\n")).toMatch(/child is ready after \d+\.\d s, models: a, b/u);
});

test("a backend that knows none of the paths is ready as well", async () => {
  expect((await started(scripted())).status.state).toBe("ready");
});

test("models that it lists later are known at the next check", async () => {
  const backend = await started(scripted(["--models", "a"]));
  await fetch(backend.url("/have?models=a,c"));
  await eventually(() => expect(backend.status.models?.map(({ id }) => id)).toEqual(["a", "c"]));
});

test("a backend that hangs or fails is not ready until it answers again, and is not restarted", async () => {
  const backend = await started(scripted());
  const { pid } = backend.status;
  await fetch(backend.url("/mode?to=fail"));
  expect((await reaches(backend, "unready")).reason).toContain("500");
  await fetch(backend.url("/mode?to=ok"));
  await reaches(backend, "ready");
  expect(backend.status).toMatchObject({ pid, restarts: 0 });
});

test("a backend that crashes is started again, as a new process", async () => {
  const backend = await started(scripted(["--models", "a"]));
  const { pid } = backend.status;
  await fetch(backend.url("/exit?code=3")).catch(() => undefined);
  await eventually(() => expect(backend.status).toMatchObject({ state: "ready", restarts: 1 }));
  expect(backend.states).toEqual(["waiting", "starting", "ready", "waiting", "starting", "ready"]);
  expect(backend.status.pid).not.toBe(pid);
  expect(backend.lines.join("\n")).toContain("child exited with code 3; next start in 0.0 s");
});

test("an end with code 0 is an end like any other", async () => {
  const backend = await started(scripted());
  await fetch(backend.url("/exit?code=0")).catch(() => undefined);
  await eventually(() => expect(backend.status).toMatchObject({ state: "ready", restarts: 1 }));
});

test("the pauses between starts double up to the longest, and are moved at random", async () => {
  const restart = { delay: 200, maxDelay: 800, jitter: 0.5, max: 4 };
  const backend = await openBackend(scripted(["--exit", "1"], { restart }), () => 0);
  backend.start();
  await reaches(backend, "dead");
  const pauses = backend.lines.flatMap((line) => /next start in (\S+) s/u.exec(line)?.[1] ?? []);
  expect(pauses).toEqual(["0.1", "0.2", "0.4", "0.4"]);
  expect(backend.status.restarts).toBe(4);
  expect(backend.status.reason).toContain("given up after 4 restarts");
});

test("what it wrote last is told when it ends", async () => {
  const backend = await openBackend(scripted(["--exit", "1"], { restart: { max: 0 } }));
  backend.start();
  await reaches(backend, "dead");
  expect(backend.lines.at(-1)).toMatch(/exited with code 1.*It wrote last:\n {2}about to end/su);
});

test("a program that is not there is told by name, and tried again", async () => {
  const options = scripted([], { command: ["/no/such/program", "--key", "secret"], restart: { delay: 10, max: 1 } });
  const backend = await openBackend(options);
  backend.start();
  const { reason, restarts } = await reaches(backend, "dead");
  expect(reason).toContain("there is no program /no/such/program");
  expect(restarts).toBe(1);
  expect(backend.lines.join("\n")).not.toContain("secret");
});

test("a directory that is not there is told apart from a program that is not", async () => {
  const backend = await openBackend(scripted([], { cwd: "/no/such/directory", restart: { max: 0 } }));
  backend.start();
  expect((await reaches(backend, "dead")).reason).toContain("its cwd /no/such/directory is not a directory");
});

test("arguments stay whole, no shell reads them, and the port is filled in", async () => {
  const odd = ["two words", "$HOME;`id`", "a'b\"c", "{port}", "*"];
  const backend = await started(scripted(odd));
  expect((await self(backend)).positionals).toEqual(odd.with(3, String(backend.status.port)));
});

test("its environment is that of the proxy, with PORT and what the options add", async () => {
  const backend = await started(scripted([], { env: { SECRET_KEY: "hush" }, cwd: "/" }));
  const { env, cwd } = await self(backend);
  expect(env).toMatchObject({ PATH: process.env["PATH"], PORT: String(backend.status.port), SECRET_KEY: "hush" });
  expect(cwd).toBe("/");
  const told = [...backend.lines, await (await backend.control("/info")).text()].join("\n");
  expect(told).not.toContain("hush");
});

test("stopping ends the processes it started too, also those that ignore SIGTERM", async () => {
  const backend = await started(scripted(["--ignore-term", "--grandchild"], { stop: { grace: 50 } }));
  const { pid, grandchild } = await self(backend);
  await backend.stop();
  expect([runs(pid), runs(grandchild)]).toEqual([false, false]);
  expect(backend.status).toMatchObject({ state: "stopped", pid: undefined });
  backend.start();
  await reaches(backend, "ready");
});

test("a backend that dies alone takes the processes it started with it", async () => {
  const backend = await started(scripted(["--grandchild"], { stop: { grace: 50 } }));
  const { grandchild } = await self(backend);
  await fetch(backend.url("/exit")).catch(() => undefined);
  await eventually(() => expect(backend.status).toMatchObject({ state: "ready", restarts: 1 }));
  expect(runs(grandchild)).toBe(false);
});

test("one that does not become ready in time is ended and started again", async () => {
  const backend = await openBackend(scripted(["--never-listen"], { ready: { timeout: 100, interval: 20 } }));
  backend.start();
  await eventually(() => expect(backend.status.restarts).toBeGreaterThan(0));
  expect(backend.lines.join("\n")).toContain("was not ready within 100 ms (ECONNREFUSED)");
});

test("what answers on a port that is taken is never the backend", async () => {
  // Not one of those that the system gives to clients: its babysitter takes the next.
  const stranger = await openStranger(await freePair());
  const backend = await openBackend(scripted([], { port: stranger.port, restart: { delay: 20, maxDelay: 20 } }));
  backend.start();
  await eventually(() => expect(backend.status.reason).toContain(`port ${stranger.port} is taken by`));
  if (process.platform === "linux") expect(backend.status.reason).toContain(`process ${process.pid} (`);
  expect(backend.states).not.toContain("ready");
  await vi.waitFor(async () => expect((await backend.control("/health")).status).toBe(503));
  await stranger.close();
  await reaches(backend, "ready");
  expect(backend.status.restarts).toBe(0);
});

test("two of one port: the second waits for the first", async () => {
  const first = await started(scripted(["--models", "a"]));
  const second = await openBackend(scripted([], { port: first.status.port, control: false, name: "second" }));
  second.start();
  await eventually(() => expect(second.status.reason).toContain(`belongs to backend child of process ${process.pid}`));
});

test("stopping while it waits for its next start ends at once", async () => {
  const backend = await openBackend(scripted(["--exit", "1"], { restart: { delay: 60_000 } }));
  backend.start();
  await eventually(() => expect(backend.status.reason).toContain("next start in 60.0 s"));
  await backend.stop();
  expect(backend.status.state).toBe("stopped");
});

test("it leaves no record behind", async () => {
  const backend = await started(scripted([], { name: "recorded" }));
  const records = (): string[] => {
    const folder = join(tmpdir(), `plugboard-backends-${process.getuid?.()}`);
    return readdirSync(folder).filter((name) => readFileSync(join(folder, name), "utf8").includes('"recorded"'));
  };
  expect(records()).toHaveLength(process.platform === "linux" ? 1 : 0);
  await backend.close();
  expect(records()).toEqual([]);
});
