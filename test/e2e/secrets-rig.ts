import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, vi } from "vitest";
import { createProject, root } from "../core/cli/_cli.ts";
import type { Project } from "../core/config/_project.ts";

const main = join(root, "dist/core/cli/main.js");

/** Secrets that are found again wherever they are written; with what base64 and URLs spell otherwise. */
export type Canaries<K extends string> = Readonly<Record<K, string>>;

export function createCanaries<K extends string>(...names: readonly K[]): Canaries<K> {
  const entries = names.map((name, index) => [name, `cnry${index}-${name}/${"0a9Z+".repeat(4)}~${index}=`]);
  return Object.fromEntries(entries) as Canaries<K>;
}

/** Everything that was printed or answered, with where it came from. */
export interface Output {
  add(from: string, said: string): void;
  readonly all: string;
  /** Fails with the place of each canary that is in there, in any spelling. */
  expectNone(canaries: Canaries<string>): void;
}

export function createOutput(): Output {
  const parts: (readonly [from: string, said: string])[] = [];
  return {
    add: (from, said) => void parts.push([from, said]),
    get all() {
      return parts.map(([from, said]) => `${from}: ${said}`).join("\n");
    },
    expectNone(canaries) {
      const found = parts.flatMap(([from, said]) =>
        Object.entries(canaries).flatMap(([name, canary]) =>
          spellings(canary)
            .filter((spelling) => said.toLowerCase().includes(spelling.toLowerCase()))
            .map((spelling) => `${name} in ${from}: ${around(said, spelling)}`),
        ),
      );
      expect(found).toEqual([]);
    },
  };
}

/** As it is, as its first half, in URLs, JSON, base64 at each of three places, hex, and as Node shows bytes. */
function spellings(canary: string): readonly string[] {
  const hex = Buffer.from(canary).toString("hex");
  const base64 = [0, 1, 2].map((before) => {
    const written = Buffer.from("x".repeat(before) + canary).toString("base64");
    // What stands at either end is mixed with its neighbours.
    return written.slice(before === 0 ? 0 : 4, -4);
  });
  const inUrls = base64.map((written) => written.replaceAll("+", "-").replaceAll("/", "_"));
  const half = canary.slice(0, canary.length / 2);
  return [...new Set([half, encodeURIComponent(half), ...base64, ...inUrls, hex, hex.replace(/..(?=.)/g, "$& ")])];
}

function around(said: string, spelling: string): string {
  const at = said.toLowerCase().indexOf(spelling.toLowerCase());
  return said.slice(Math.max(0, at - 80), at + spelling.length + 20);
}

export interface Child {
  readonly pid: number;
  readonly url: string;
  readonly printed: () => string;
  /** Settles when this was printed. */
  printedWith(part: string): Promise<void>;
  /** Ends it, and settles when all it printed is there. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

export interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly project: Project;
}

/** Runs a command to its end; all that it printed. */
export async function runCommand(command: Command): Promise<string> {
  const child = launch(command);
  onTestFinished(() => void child.kill("SIGKILL")); // One that was to be refused may serve.
  const [out, err] = await Promise.all([text(child.stdout as never), text(child.stderr as never)]);
  return out + err;
}

/** Runs a command that serves until the test is over. */
export async function serveCommand(command: Command): Promise<Child> {
  const child = launch(command);
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (printed += String(chunk)));
  const exited = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const printedWith = (part: string): Promise<void> =>
    vi.waitFor(() => expect(printed).toContain(part), { timeout: 10_000, interval: 10 });
  // Beside the words of the log, which come in between.
  const ready = /"urls":\["(http[^"]+)|➜  (http\S+)/;
  await vi.waitFor(() => expect(printed).toMatch(ready), { timeout: 10_000, interval: 10 });
  const [, json = "", told = ""] = ready.exec(printed) ?? [];
  const url = json + told;
  return {
    pid: child.pid ?? 0,
    url,
    printed: () => printed,
    printedWith,
    exited,
    end(signal = "SIGKILL") {
      child.kill(signal);
      return exited;
    },
  };
}

function launch({ args, env, project }: Command): ChildProcess {
  const { NODE_ENV: _, PORT: __, VITEST: ___, ...inherited } = process.env;
  return spawn(process.execPath, [main, ...args], {
    cwd: project.directory,
    env: { ...inherited, NO_COLOR: "1", CONSOLA_LEVEL: "999", DEBUG: "*", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

export { createProject };
