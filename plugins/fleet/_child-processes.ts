import { readdir, readFile, readlink } from "node:fs/promises";

/** A process as Linux tells of it; elsewhere none is ever found. */
export interface ProcessEntry {
  readonly pid: number;
  /** The name of its program, as short as the kernel keeps it. */
  readonly program: string;
  /** Of its process group; of its session. */
  readonly group: number;
  readonly session: number;
  /** Clock ticks after the boot at which it was started: with the pid, it names one process for good. */
  readonly start: number;
}

/** Undefined when there is none, or it has ended and only waits for its parent to notice. */
export async function readProcess(pid: number): Promise<ProcessEntry | undefined> {
  const text = await readText(`/proc/${pid}/stat`);
  // The program's name stands in parentheses and may hold any character, parentheses too.
  const end = text.lastIndexOf(")");
  if (end === -1) return undefined;
  const fields = text.slice(end + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return {
    pid,
    program: text.slice(text.indexOf("(") + 1, end),
    group: Number(fields[2]),
    session: Number(fields[3]),
    start: Number(fields[19]),
  };
}

export async function listProcesses(): Promise<readonly ProcessEntry[]> {
  const found: ProcessEntry[] = [];
  for (const name of await listNames("/proc")) {
    const entry = /^\d+$/.test(name) ? await readProcess(Number(name)) : undefined;
    if (entry !== undefined) found.push(entry);
  }
  return found;
}

/** Whether that variable was in its environment when it was started, as far as this user may look. */
export async function hasVariable(pid: number, variable: string): Promise<boolean> {
  return (await readText(`/proc/${pid}/environ`)).split("\0").includes(variable);
}

/** What pids and start times count in: this boot, and in it this container. */
export async function readBoot(): Promise<string> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return `${(await readText("/proc/sys/kernel/random/boot_id")).trim()} ${namespace}`;
}

export function isSameBoot(a: string, b: string): boolean {
  return a.split(" ", 1)[0] === b.split(" ", 1)[0];
}

/** Empty for what is not there or not for this user: processes come and go while they are looked at. */
export function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

export function listNames(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}
