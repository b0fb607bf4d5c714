import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Proxy } from "plugboard";
import * as v from "valibot";
import { onTestFinished } from "vitest";
import { createBackend, type KeptBackend } from "../../../plugins/fleet/_backend.ts";
import { type BackendOptions, backendSchema } from "../../../plugins/fleet/_backend-options.ts";
import type { BackendState, BackendStatus } from "../../../plugins/fleet/_backend-status.ts";
import { keptLog } from "../../core/kept-log.ts";
import { eventually } from "../../e2e/eventually.ts";

export const script: string = fileURLToPath(new URL("scripted-child.mjs", import.meta.url));

/** A backend that does what its arguments say, with little patience everywhere. */
export function scripted(args: readonly string[] = [], options: Partial<BackendOptions> = {}): BackendOptions {
  return {
    name: "child",
    command: [process.execPath, script, "--port", "{port}", ...args],
    ready: { check: 30, interval: 30 },
    restart: { delay: 20, jitter: 0 },
    stop: { grace: 4_000 },
    ...options,
  };
}

export interface OpenBackend extends KeptBackend {
  readonly lines: readonly string[];
  /** All it was in so far. */
  readonly states: readonly BackendState[];
  /** Of the process that answers. */
  url(path: string, port?: number): string;
  control(path: string): Promise<Response>;
  /** The last of what it wrote. */
  output(): Promise<readonly string[]>;
}

/** A backend that is stopped when the test is over; not started. */
export async function openBackend(options: BackendOptions, random = (): number => 0.5): Promise<OpenBackend> {
  const { log, lines } = keptLog();
  const tools = { log, random, now: () => performance.now() };
  const backend = createBackend(
    { options: v.parse(backendSchema, options), registrar: undefined, logged: true },
    tools,
  );
  onTestFinished(() => backend.close());
  const states: BackendState[] = [];
  await backend.choosePort();
  backend.onChange(({ state }) => state !== states.at(-1) && states.push(state));
  backend.open();
  const { port } = backend.status;
  const url = (path: string, at = port): string => `http://127.0.0.1:${at}${path}`;
  const control = (path: string): Promise<Response> => fetch(url(path, port + 1));
  const output = async (): Promise<readonly string[]> =>
    ((await (await control("/info")).json()) as { output: string[] }).output;
  // Not spread: its options and its status change.
  return Object.assign(Object.create(backend) as KeptBackend, { lines, states, url, control, output });
}

export async function started(options: BackendOptions): Promise<OpenBackend> {
  const backend = await openBackend(options);
  backend.start();
  await reaches(backend, "ready");
  return backend;
}

export async function reaches(backend: KeptBackend, state: BackendState): Promise<BackendStatus> {
  await eventually(() => {
    if (backend.status.state !== state) throw new Error(`${backend.status.state}: ${backend.status.reason}`);
  });
  return backend.status;
}

/** Of a process: false once it has ended, and also while it waits for its parent to notice. */
export function runs(pid: number | undefined): boolean {
  if (pid === undefined) throw new Error("there is no process to ask about");
  try {
    process.kill(pid, 0);
  } catch {
    return false; // There is none of that number any more.
  }
  return !isDefunct(pid);
}

function isDefunct(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    return / Z /u.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/u, ""));
  } catch {
    return true; // It ended just now.
  }
}

/** Answers each request with 200 on a port of 127.0.0.1. */
export async function openStranger(port = 0): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((_, res) => res.end("a stranger"));
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, close };
}

/** Throws as long as requests cannot go to the target. */
export function isUp(proxy: Proxy, id: string): void {
  const [pool] = proxy.pools();
  if (pool?.snapshot.available.some((target) => target.id === id) === true) return;
  throw new Error(`${id} is not up: ${JSON.stringify(pool?.verdicts(id))}`);
}

/** Of the process that answers a request. */
export async function pidOf(proxy: Proxy): Promise<number> {
  const answer = await proxy.fetch(new Request("http://proxy/self"));
  return ((await answer.json()) as { pid: number }).pid;
}
