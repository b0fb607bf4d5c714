import { isDeepStrictEqual } from "node:util";
import { pause } from "./_backend-pause.ts";
import type { Backend } from "./_backend-options.ts";
import type { StatusBoard } from "./_backend-status.ts";
import { readProcess } from "./_child-processes.ts";
import type { Answer, ListedModel, ReadyProbe } from "./_ready.ts";
import { findListener } from "./_ready-owner.ts";

export interface WatchOptions {
  /** As they are now: they may change while it runs. */
  readonly options: () => Backend;
  readonly board: StatusBoard;
  readonly probe: ReadyProbe;
  readonly port: number;
  readonly pid: number;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
  /** After each check. */
  readonly checked: () => void;
}

export interface Watched {
  /** Milliseconds for which it had been ready at least once. */
  readonly upFor: number;
  /** It did not become ready in time. */
  readonly late: boolean;
}

const firstPause = 100;
/** Milliseconds: between two checks, and in all, while a backend that is ready has not listed its models. */
const listPause = 1_000;
const listWithin = 10_000;

/** Probes a backend that runs until `over` aborts, and tells the board what comes of it. */
export async function watchBackend(watch: WatchOptions, over: AbortSignal): Promise<Watched> {
  const { board, probe, port, now } = watch;
  const startedAt = now();
  let readyAt: number | undefined;
  let failures = 0;
  let wait = firstPause;
  while (true) {
    const answer = await withoutStranger(await probe.ask(port, over), watch, board.status.state === "ready");
    if (over.aborted) break;
    const { ready } = watch.options();
    if (answer.failure === undefined) {
      failures = 0;
      readyAt ??= now();
      const models = toModels(answer, watch, now() - readyAt >= listWithin);
      board.set({ state: "ready", reason: "", models, startup: Math.round(readyAt - startedAt) });
      wait = models === undefined ? Math.min(listPause, ready.check) : ready.check;
    } else if (readyAt === undefined) {
      board.set({ state: "starting", reason: answer.failure });
      if (ready.timeout > 0 && now() - startedAt >= ready.timeout) return { upFor: 0, late: true };
      wait = Math.min(ready.interval, wait * 1.5);
    } else {
      failures += 1;
      if (failures >= ready.fall) board.set({ state: "unready", reason: answer.failure });
      wait = ready.check;
    }
    watch.checked();
    await pause(wait, over);
  }
  return { upFor: readyAt === undefined ? 0 : now() - readyAt, late: false };
}

/** What it listed before holds while it lists nothing; a list that says the same is the same. */
function toModels(
  { models }: Answer,
  { board, options }: WatchOptions,
  late: boolean,
): readonly ListedModel[] | undefined {
  const before = board.status.models;
  if (models === undefined || models.length === 0) {
    const known = options().models?.map((id) => ({ id }));
    return before ?? known ?? (late ? [] : undefined);
  }
  return isDeepStrictEqual(models, before) ? before : models;
}

/**
 * Who listened there before the backend was started is not the backend. One that came later may be: a container's port
 * is held by another process than the program that started it.
 */
async function withoutStranger(answer: Answer, { port, pid }: WatchOptions, known: boolean): Promise<Answer> {
  if (answer.failure !== undefined || known) return answer;
  const [listener, own] = await Promise.all([findListener(port, pid), readProcess(pid)]);
  if (listener === undefined || own === undefined || listener.start >= own.start) return answer;
  return { failure: `port ${port} is served by process ${listener.pid} (${listener.program})`, models: undefined };
}
