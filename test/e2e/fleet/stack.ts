import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { vi } from "vitest";

const main = new URL("../../../dist/core/cli/main.js", import.meta.url).pathname;
const backend = new URL("backend.mjs", import.meta.url).pathname;

/** A running command of the program. */
export interface Command {
  readonly pid: number;
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** All lines so far. */
  readonly lines: readonly string[];
  /** Ends it by a signal and waits until it is gone; its exit code, null when the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface Stack {
  readonly folder: string;
  start(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Command>;
  /** A service file of the original, and the babysitter that reads it. */
  babysit(service: ServiceFile): Promise<Command>;
  close(): Promise<void>;
}

export interface ServiceFile {
  readonly name: string;
  readonly port: number;
  readonly registry: string | readonly string[];
  readonly models: readonly string[];
  /** Milliseconds that the engine takes to load. */
  readonly load?: number;
  /** The original's type "mock" in the place of an engine. */
  readonly mock?: boolean;
}

/** Long enough for a machine that is busy with other tests. */
const patience = 25_000;

export async function openStack(): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), "plugboard-fleet-"));
  const running = new Map<ChildProcess, string>();

  async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Command> {
    const child = spawn(process.execPath, [main, ...args, "--json"], {
      env: { ...process.env, NODE_ENV: "production", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.set(child, args[0] ?? "");
    const exited = once(child, "exit").then(([code]) => code as number | null);
    void exited.then(() => running.delete(child));
    const lines: string[] = [];
    const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          lines.push(line);
          if (line.includes('"event":"ready"')) resolve(JSON.parse(line) as Record<string, unknown>);
        });
      }
      void exited.then((code) => reject(new Error(`${args.join(" ")} ended with ${code}:\n${lines.join("\n")}`)));
    });
    return {
      pid: child.pid ?? 0,
      ready: await ready,
      lines,
      async end(signal) {
        child.kill(signal);
        return exited;
      },
    };
  }

  return {
    folder,
    start,
    async babysit({ name, port, registry, models, load = 0, mock = false }) {
      const file = join(folder, `${name}.toml`);
      const args = [backend, "--port", String(port), "--models", models.join(","), "--load", String(load)];
      const [first = "", ...others] = [registry].flat();
      const engine: TomlFields["engine"] = mock
        ? { type: "mock", models }
        : { type: "command", command: process.execPath, args };
      await writeFile(file, toToml({ name, port, registry: first, engine }));
      const urls = others.length === 0 ? [] : [first, ...others].flatMap((url) => ["--registry-url", url]);
      return start(["babysit", "--config-file", file, "--bind", "127.0.0.1", ...urls]);
    },
    async close() {
      // Only babysitters have something to clean up; the others would wait for load balancers to notice.
      const stops = [...running].map(([child, name]) => stop(child, name === "babysit" ? "SIGTERM" : "SIGKILL"));
      await Promise.all(stops);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = once(child, "exit");
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), patience);
  await exited;
  clearTimeout(timer);
}

interface TomlFields {
  readonly name: string;
  readonly port: number;
  readonly registry: string;
  readonly engine: Readonly<Record<string, string | readonly string[]>>;
}

function toToml({ name, port, registry, engine }: TomlFields): string {
  return `name = "${name}"
host = "127.0.0.1"
port = ${port}
registry_url = "${registry}"

[babysitter]
max_restarts = 100
restart_delay = 0.1
heartbeat_interval = 1

[backend]
${Object.entries(engine)
  .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
  .join("\n")}

[metadata]
zone = "test"
`;
}

/** A port for a service whose next one is free too: its babysitter's. Below those that the system gives to clients. */
export async function freePair(): Promise<number> {
  for (;;) {
    const port = 20_000 + 2 * Math.floor(Math.random() * 6_000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
  });
  const result = await free;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return result;
}

/** Settles when `check` no longer throws or rejects. */
export function until<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: patience, interval: 25 });
}

export async function getJson(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as Record<string, unknown>;
}

export function urlOf({ ready }: Command): string {
  return (ready.urls as string[])[0] ?? "";
}

export function ask(router: string, model: string, signal?: AbortSignal, stream = false): Promise<Response> {
  return fetch(`${router}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "hello" }] }),
    signal: signal ?? AbortSignal.timeout(10_000),
  });
}
