import { randomUUID } from "node:crypto";
import { lstatSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import {
  hasVariable,
  isSameBoot,
  listNames,
  listProcesses,
  type ProcessEntry,
  readBoot,
  readProcess,
  readText,
} from "./_child-processes.ts";

/** Set in the environment of each backend: the mark by which it is known again. */
export const markVariable = "PLUGBOARD_BACKEND";

interface Identity {
  readonly pid: number;
  readonly start: number;
}

interface Stored {
  readonly name: string;
  /** As it was configured: 0 where it was left to be chosen. */
  readonly port: number;
  /** The port it was told to serve on. */
  readonly serves: number;
  readonly mark: string;
  readonly boot: string;
  /** The process that keeps it. */
  readonly keeper: Identity;
  /** Missing until it is started. */
  readonly leader?: Identity | undefined;
}

const identity = v.object({ pid: v.pipe(v.number(), v.minValue(2)), start: v.number() });

const recordSchema: v.GenericSchema<Stored> = v.object({
  name: v.string(),
  port: v.number(),
  serves: v.number(),
  mark: v.pipe(v.string(), v.uuid()),
  boot: v.string(),
  keeper: identity,
  leader: v.optional(identity),
});

/** A note on disk that a backend of ours runs, for whoever comes after a keeper that was killed. */
export interface ChildRecord {
  /** For the environment of the backend. */
  readonly mark: string;
  started(pid: number): Promise<void>;
  /** What cleans up temporary files must not take it for an old one. */
  touch(): void;
  remove(): void;
}

export interface Orphan {
  readonly name: string;
  readonly port: number;
  /** Process groups that are left of it. */
  readonly groups: readonly number[];
  remove(): void;
}

const noRecord: Omit<ChildRecord, "mark"> = { started: () => Promise.resolve(), touch: () => {}, remove: () => {} };

/** Milliseconds between two touches. */
const touchEvery = 3_600_000;

/** Written before the backend is started: a keeper killed right then must leave a trace too. */
export async function writeRecord(what: Pick<Stored, "name" | "port" | "serves">): Promise<ChildRecord> {
  const mark = randomUUID();
  const folder = ownFolder();
  const keeper = await readProcess(process.pid);
  // Not Linux, or no place of our own: then nobody finds it, and the port it holds is told of as taken.
  if (folder === undefined || keeper === undefined) return { mark, ...noRecord };
  const path = join(folder, `${mark}.json`);
  let stored: Stored = { ...what, mark, boot: await readBoot(), keeper: toIdentity(keeper) };
  let touched = performance.now();
  write(path, stored);
  return {
    mark,
    async started(pid) {
      const leader = await readProcess(pid);
      if (leader !== undefined) write(path, (stored = { ...stored, leader: toIdentity(leader) }));
    },
    touch() {
      if (performance.now() - touched < touchEvery) return;
      touched = performance.now();
      quietly(() => utimesSync(path, new Date(), new Date()));
    },
    remove: () => quietly(() => rmSync(path, { force: true })),
  };
}

/** Backends that run although the process that kept them is gone. */
export async function findOrphans(): Promise<readonly Orphan[]> {
  const orphans: Orphan[] = [];
  const boot = await readBoot();
  let processes: readonly ProcessEntry[] | undefined;
  for (const { path, stored } of await readRecords()) {
    // Containers may share the folder, and none sees the processes of another.
    const elsewhere = stored.boot !== boot && isSameBoot(stored.boot, boot);
    if (elsewhere || (await isKept(stored))) continue;
    processes ??= await listProcesses();
    const groups = stored.boot === boot ? await groupsOf(stored, processes) : [];
    const remove = (): void => quietly(() => rmSync(path, { force: true }));
    if (groups.length === 0) remove();
    else orphans.push({ name: stored.name, port: stored.port, groups, remove });
  }
  return orphans;
}

/** Another backend that is kept on that port, by this process or by another one, in words. */
export async function findKept(port: number): Promise<string | undefined> {
  for (const { stored } of await readRecords()) {
    if (stored.serves !== port || !(await isKept(stored))) continue;
    return `backend ${stored.name} of process ${stored.keeper.pid}`;
  }
  return undefined;
}

async function isKept({ keeper, boot }: Stored): Promise<boolean> {
  return boot === (await readBoot()) && (await readProcess(keeper.pid))?.start === keeper.start;
}

/**
 * By its leader, else by the mark in the environment of one of them: a pid alone may be anybody's by now. Programs that
 * change their title write over their environment, so that the mark alone is not enough.
 */
async function groupsOf({ leader, mark }: Stored, processes: readonly ProcessEntry[]): Promise<readonly number[]> {
  const first = processes.find(({ pid, start }) => pid === leader?.pid && start === leader.start);
  if (first !== undefined) return [first.pid];
  const own = processes.find(({ pid }) => pid === process.pid)?.group;
  const groups = new Set<number>();
  for (const { pid, group } of processes) {
    if (group !== own && (await hasVariable(pid, `${markVariable}=${mark}`))) groups.add(group);
  }
  return [...groups];
}

async function readRecords(): Promise<readonly { readonly path: string; readonly stored: Stored }[]> {
  const folder = ownFolder();
  if (folder === undefined) return [];
  const names = (await listNames(folder)).filter((name) => name.endsWith(".json"));
  const records = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const { success, output } = v.safeParse(recordSchema, toJson(await readText(path)));
      return success ? [{ path, stored: output }] : [];
    }),
  );
  return records.flat();
}

/** The folder for temporary files is everybody's: what others could have written there would be a list of what to kill. */
function ownFolder(): string | undefined {
  const user = process.getuid?.();
  if (process.platform !== "linux" || user === undefined) return undefined;
  const folder = join(tmpdir(), `plugboard-backends-${user}`);
  quietly(() => mkdirSync(folder, { mode: 0o700 }));
  let own = false;
  quietly(() => {
    const found = lstatSync(folder);
    own = found.isDirectory() && found.uid === user && (found.mode & 0o022) === 0;
  });
  return own ? folder : undefined;
}

/** Whole or not at all: it may be read at any time. */
function write(path: string, stored: Stored): void {
  quietly(() => {
    writeFileSync(`${path}.new`, JSON.stringify(stored), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

function toIdentity({ pid, start }: ProcessEntry): { pid: number; start: number } {
  return { pid, start };
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No record of ours looks like that.
  }
}

/** A full disk must not keep a backend from running: without its record it is only not found again. */
function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // See above.
  }
}
