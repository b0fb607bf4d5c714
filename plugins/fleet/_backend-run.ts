import type { Announcer } from "./_backend-announcer.ts";
import { textOf } from "../../core/index.ts";
import type { BackendTerms, BackendTools } from "./_backend.ts";
import type { Backend } from "./_backend-options.ts";
import type { StatusBoard } from "./_backend-status.ts";
import { watchBackend } from "./_backend-watch.ts";
import { type Child, startChild } from "./_child.ts";
import { endGroup } from "./_child-group.ts";
import { type ChildRecord, findKept, findOrphans, markVariable, type Orphan, writeRecord } from "./_child-record.ts";
import type { ReadyProbe } from "./_ready.ts";
import { findListener } from "./_ready-owner.ts";
import { findFreePort, isTaken, probeHosts } from "./_ready-port.ts";
import type { Output } from "./_ring-output.ts";

/** What a backend has beside its options, over all its runs. */
export interface BackendSite extends BackendTools {
  readonly terms: () => BackendTerms;
  readonly board: StatusBoard;
  readonly probe: ReadyProbe;
  readonly output: Output;
  readonly announcer: Announcer;
}

/** How a run came to its end. */
export interface RunEnd {
  readonly reason: string;
  /** Milliseconds since it was ready first. */
  readonly upFor: number;
  /** It was not even tried to start it. */
  readonly refused: boolean;
}

const noWords: ReadonlyMap<string, string> = new Map();

/** Milliseconds for what a program that ended by itself left behind: nobody waits for its answers any more. */
const leftoverGrace = 2_000;

/** Starts a backend and watches it until it has ended, by itself or because `signal` aborted; leaves no process. */
export async function runBackend(site: BackendSite, signal: AbortSignal): Promise<RunEnd> {
  const { board } = site;
  board.set({ state: "starting", reason: "" });
  const taken = await settlePort(site);
  if (taken !== undefined || signal.aborted) return { reason: taken ?? "", upFor: 0, refused: true };
  const { name, port: asked } = site.terms().options;
  const record = await writeRecord({ name, port: asked, serves: board.status.port });
  let child: Child | undefined;
  try {
    child = await start(site, record);
    await record.started(child.pid);
    const end = await watch(site, child, record, signal);
    const { grace, signal: first } = site.terms().options.stop;
    if (await child.end(signal.aborted ? grace : Math.min(grace, leftoverGrace), first)) record.remove();
    else site.log.error(`${name}: some of its processes (group ${child.pid}) cannot be killed`);
    return end;
  } catch (error) {
    await child?.end(0);
    record.remove();
    return { reason: textOf(error), upFor: 0, refused: false };
  }
}

async function watch(site: BackendSite, child: Child, record: ChildRecord, signal: AbortSignal): Promise<RunEnd> {
  const { board, probe, now, announcer } = site;
  const { pid } = child;
  const over = new AbortController();
  const end = (): void => over.abort();
  let exit = "";
  board.set({ pid });
  void child.exited.then((text) => {
    exit = text;
    // At once: requests must not go there while the rest of its group is being ended.
    if (!over.signal.aborted) board.set({ state: "waiting", reason: text, pid: undefined });
    over.abort();
  });
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  const options = (): BackendTerms["options"] => site.terms().options;
  const { upFor, late } = await watchBackend(
    { options, board, probe, port: board.status.port, pid, now, checked: () => record.touch() },
    over.signal,
  );
  signal.removeEventListener("abort", end);
  if (signal.aborted) {
    board.set({ state: "stopping", reason: "" });
    await announcer.withdraw();
    return { reason: "", upFor, refused: false };
  }
  const reason = late ? `was not ready within ${options().ready.timeout} ms (${board.status.reason})` : exit;
  board.set({ state: "waiting", reason, pid: undefined });
  return { reason, upFor, refused: false };
}

async function start({ terms, board, output, log }: BackendSite, { mark }: ChildRecord): Promise<Child> {
  const { options, words = noWords, args: added = [] } = terms();
  const { name, command, cwd, env, host } = options;
  const { port } = board.status;
  const known = new Map([...words, ["port", String(port)], ["host", host]]);
  // In one pass: what is filled in may hold braces of its own.
  const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/gu, (all, word: string) => known.get(word) ?? all);
  const [program, ...args] = command;
  const child = await startChild({
    command: [fill(program), ...args.map(fill), ...added],
    cwd,
    env: { ...process.env, PORT: String(port), ...env, [markVariable]: mark },
    read: (stream) => output.read(stream),
  });
  log.info(`${name} is started: process ${child.pid}, port ${port}`);
  return child;
}

/** What its keeper left behind when it was killed holds the port, and the memory of the GPU. */
export function endOrphans({ terms, log }: BackendSite): Promise<void> {
  const { name, port, stop } = terms().options;
  return endOrphansOf((orphan) => orphan.name === name && orphan.port === port, stop, log);
}

export async function endOrphansOf(
  isOurs: (orphan: Orphan) => boolean,
  { grace, signal }: Backend["stop"],
  log: BackendTools["log"],
): Promise<void> {
  const end = async (orphan: Orphan): Promise<void> => {
    const { name, groups } = orphan;
    log.warn(`${name} still runs from before (process group ${groups.join(", ")}), without its keeper: ending it`);
    const gone = await Promise.all(groups.map((group) => endGroup(group, grace, signal)));
    if (gone.every(Boolean)) orphan.remove();
  };
  await Promise.all((await findOrphans()).filter(isOurs).map(end));
}

/** Why the port cannot be used; undefined: it can. One that was left open is chosen anew where it has to be. */
async function settlePort({ terms, board }: BackendSite): Promise<string | undefined> {
  const { port: asked, host, control } = terms().options;
  const hosts = probeHosts(host);
  const { port } = board.status;
  const keeper = port === 0 ? undefined : await findKept(port);
  const taken = port === 0 || keeper !== undefined || (await isTaken(hosts, port));
  if (!taken) return undefined;
  if (asked === 0) {
    board.set({ port: await findFreePort(hosts, control === undefined) });
    return undefined;
  }
  if (keeper !== undefined) return `port ${port} belongs to ${keeper}`;
  const listener = await findListener(port);
  const who = listener === undefined ? "another program" : `process ${listener.pid} (${listener.program})`;
  return `port ${port} is taken by ${who}`;
}
