import { type ChildProcess, spawn } from "node:child_process";
import { statSync } from "node:fs";
import type { Readable } from "node:stream";
import { within } from "./_backend-pause.ts";
import { endGroup, guardGroup, releaseGroup } from "./_child-group.ts";

export interface ChildOptions {
  readonly command: readonly [string, ...string[]];
  readonly cwd?: string | undefined;
  /** All of it: nothing is added. */
  readonly env: NodeJS.ProcessEnv;
  /** Takes what it writes, on its standard output and error. */
  readonly read: (stream: Readable) => void;
}

/** A program in a process group of its own. */
export interface Child {
  readonly pid: number;
  /** Resolves when the program has ended by itself or was ended, with how; others of its group may still run. */
  readonly exited: Promise<string>;
  /** Ends its whole group; resolves when that is gone and its output read. False: some of it cannot be killed. */
  end(grace: number, signal?: NodeJS.Signals): Promise<boolean>;
}

/** Milliseconds for the rest of the output: a process outside of the group may hold the pipe for good. */
const readWithin = 250;

/** Rejects with a message for whoever wrote the command when it cannot be started. */
export async function startChild({ command, cwd, env, read }: ChildOptions): Promise<Child> {
  const [program, ...args] = command;
  let child: ChildProcess;
  try {
    child = spawn(program, args, { cwd, env, shell: false, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    await started(child);
  } catch (error) {
    throw new Error(explainFailure(error, program, cwd), { cause: error });
  }
  const pid = child.pid as number;
  guardGroup(pid);
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `exited with code ${code}` : `was ended by ${signal}`),
    );
  });
  const closed = new Promise<void>((resolve) => void child.once("close", () => resolve()));
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) read(stream);
  // A signal that cannot be sent and the like; what became of the program is told by its exit.
  child.on("error", () => undefined);
  let ending: Promise<boolean> | undefined;

  async function end(grace: number, signal?: NodeJS.Signals): Promise<boolean> {
    const gone = await endGroup(pid, grace, signal);
    if (gone) releaseGroup(pid);
    await within(readWithin, closed);
    child.stdout?.destroy();
    child.stderr?.destroy();
    return gone;
  }

  return { pid, exited, end: (grace, signal) => (ending ??= end(grace, signal)) };
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", () => resolve());
    child.once("error", reject);
  });
}

/** Arguments are left out: they may hold keys. */
function explainFailure(error: unknown, program: string, cwd: string | undefined): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (cwd !== undefined && statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true)
    return `cannot be started: its cwd ${cwd} is not a directory`;
  if (code === "ENOENT") return `cannot be started: there is no program ${program}; check command and PATH`;
  if (code === "EACCES") return `cannot be started: ${program} may not be executed; check its permissions`;
  return `cannot be started: ${code ?? message}`;
}
