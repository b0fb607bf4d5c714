import { type ChildProcess, spawn } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";
import { createProject as createPlainProject, type Project } from "../config/_project.ts";

// Starting a process takes its time on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

export const root: string = fileURLToPath(new URL("../../../", import.meta.url));
const main = join(root, "dist/core/cli/main.js");

/** A user's project with this package installed; gone when the test is. */
export async function createProject(files?: Readonly<Record<string, string>>): Promise<Project> {
  const project = await createPlainProject(files);
  await symlink(root, project.path("node_modules/plugboard"));
  return project;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = launch(args, options);
  child.stdin?.end(options.input ?? "");
  const { stdout, stderr } = outputs(child);
  const [out, err, code] = await Promise.all([text(stdout), text(stderr), exitOf(child)]);
  return { code, stdout: out, stderr: err };
}

export type Event = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Started {
  readonly pid: number;
  /** The next event of a name, whether it was told of already or not; a line that is no JSON is the event "text". */
  next(event: string): Promise<Event>;
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
}

/** Runs the command line until the test is over. */
export function start(args: readonly string[], options: RunOptions = {}): Started {
  const child = launch(args, options);
  const exited = exitOf(child);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return { pid: child.pid ?? 0, next: readEvents(child, exited), signal: (name) => void child.kill(name), exited };
}

export interface Served extends Started {
  readonly url: string;
  readonly ready: Event;
}

/** Serves on a free port until the test is over. */
export async function serve(args: readonly string[], options: RunOptions = {}): Promise<Served> {
  const started = start(["--json", "--port", "0", ...args], options);
  const ready = await started.next("ready");
  const [url] = Array.isArray(ready.urls) ? ready.urls : [];
  return { ...started, url: String(url), ready };
}

function launch(args: readonly string[], { cwd = root, env = {} }: RunOptions): ChildProcess {
  const { NODE_ENV: _, PORT: __, ...inherited } = process.env;
  return spawn(process.execPath, [main, ...args], { cwd, env: { ...inherited, NO_COLOR: "1", ...env } });
}

function outputs({ stdout, stderr }: ChildProcess): { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  if (stdout === null || stderr === null) throw new Error("the child was started without pipes");
  return { stdout, stderr };
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("close", resolve));
}

/** Collects the JSON lines of both streams; fails a wait when the process ends without having said it. */
function readEvents(child: ChildProcess, exited: Promise<number | null>): (event: string) => Promise<Event> {
  const told: Event[] = [];
  const waiting = new Set<() => void>();
  let ended = false;
  const wake = (): void => {
    for (const check of waiting) check();
  };
  const { stdout, stderr } = outputs(child);
  for (const input of [stdout, stderr]) {
    createInterface({ input }).on("line", (line) => {
      told.push(parseEvent(line));
      wake();
    });
  }
  void exited.then(() => {
    ended = true;
    wake();
  });
  return (name) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const index = told.findIndex(({ event }) => event === name);
        const [found] = index === -1 ? [] : told.splice(index, 1);
        if (found === undefined && !ended) return;
        waiting.delete(check);
        if (found === undefined) reject(new Error(`it ended without "${name}": ${JSON.stringify(told)}`));
        else resolve(found);
      };
      waiting.add(check);
      check();
    });
}

function parseEvent(line: string): Event {
  const parsed: unknown = line.startsWith("{") ? JSON.parse(line) : undefined;
  return isEvent(parsed) ? parsed : { event: "text", text: line };
}

function isEvent(value: unknown): value is Event {
  return typeof value === "object" && value !== null && "event" in value;
}

/**
 * A config that answers every path with the value of an expression, so that a test sees which config serves. Written
 * as `.mjs` where TypeScript is not the point: that starts faster.
 */
export function says(expression: string, { imports = "", rest = "" } = {}): string {
  return `import { definePlugin, defineProxy } from "plugboard";
${imports}
const say = definePlugin({ name: "say", setup: () => ({ request: () => ({ status: 200, body: String(${expression}) }) }) });
export default defineProxy({ plugins: [say()], limits: { drainDelay: 0, drainIdle: 0 }, ${rest} });
`;
}

/** A config of one mock backend that streams eight words, one every 50 ms. */
export const mocks = (name: string): string => `import { mockBackend, roundRobin, model } from "plugboard/plugins";
export default {
  plugins: [mockBackend({ backends: [{ id: "${name}", models: ["small"], chunkInterval: 50, tokens: 8 }] }), roundRobin(), model()],
  limits: { drainDelay: 0, drainIdle: 0 },
};
`;

export async function said(url: string): Promise<string> {
  return (await fetch(url, { headers: { connection: "close" } })).text();
}

export function chat(url: string, body: object = {}): Promise<Response> {
  const content = { model: "small", messages: [{ role: "user", content: "hi" }], ...body };
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(content) });
}
