import { setImmediate as nextTurn } from "node:timers/promises";
import type { BackendTools, KeptBackend } from "./_backend.ts";
import { pause } from "./_backend-pause.ts";
import { type Refusal, refusal } from "./_inference-http.ts";
import type { UpRequest } from "./_inference-request.ts";
import { type Run, type Shop, startRun } from "./_inference-run.ts";
import type { InferenceSettings } from "./inference-control.ts";

export type Phase = "idle" | "starting" | "running" | "failed" | "stopping";

/** What runs, or is being started: over all generations of a config one set of instances at a time. */
export interface Engines {
  readonly phase: Phase;
  /** The last `up`, until the next one, or until nothing is left of it after `down`. */
  readonly run: Run | undefined;
  /** Some instance takes requests. */
  readonly ready: boolean;
  /** Throws a refusal, or begins; what it gives resolves when an instance answers. */
  up(request: UpRequest, settings: InferenceSettings): Promise<void>;
  /** Resolves when nothing is left. */
  down(drain: number): Promise<void>;
  /** Ends a start that nobody will see the end of. */
  giveUp(): void;
  /** Shows what runs, from now on until what it gives is called. */
  follow(view: View): () => void;
  /** For one generation; `first` is over before anything is started. */
  retain(first: () => Promise<void>): void;
  /** After the last of them nothing is left. */
  release(): Promise<void>;
}

/** Where a generation sends its requests. */
export interface View {
  show(backends: readonly KeptBackend[]): void;
  /** Takes them away; what it gives counts the attempts that are still under way to them. */
  hide(): () => number;
}

const closing = (): Refusal => refusal("closing", "The proxy starts nothing now: it is about to stop.");
const stopped = (): Refusal => refusal("busy", "VLLM was stopped before it was ready.");

export function createEngines(tools: BackendTools): Engines {
  const views = new Set<View>();
  let shown: readonly KeptBackend[] | undefined;
  let current: Run | undefined;
  /** What was there before. */
  let gone: Promise<unknown> = Promise.resolve();
  const leaving = new Set<Run>();
  let holders = 0;

  const shop: Shop = {
    show(backends) {
      shown = backends;
      for (const view of views) view.show(backends);
    },
    async hide(drain) {
      if (shown === undefined) return;
      shown = undefined;
      await quiet(
        [...views].map((view) => view.hide()),
        drain,
      );
    },
  };

  function leave(why: Refusal, drain: number): Promise<unknown> {
    const run = current;
    current = undefined;
    if (run === undefined) return gone;
    leaving.add(run);
    gone = Promise.all([gone, run.stop(why, drain)])
      .catch((error: unknown) => tools.log.error("engines cannot be stopped:", error))
      .finally(() => leaving.delete(run));
    return gone;
  }

  return {
    get phase() {
      return current?.phase ?? (leaving.size > 0 ? "stopping" : "idle");
    },
    get run() {
      return current ?? [...leaving].at(-1);
    },
    get ready() {
      return current?.phase === "running" && current.instances.some(({ backend }) => backend.status.state === "ready");
    },
    up(request, settings) {
      if (holders === 0) throw closing();
      if (current?.phase === "starting")
        throw refusal("busy", "VLLM is already starting. Use /inference/up/status to see how far it is.");
      if (current?.phase === "running" && !settings.restart && !isGivenUp(current))
        throw refusal("busy", "VLLM is already running. Use /inference/down to stop it first.");
      const before = leave(stopped(), settings.drain);
      current = startRun({ request, settings, tools, shop, before });
      return current.ready;
    },
    async down(drain) {
      await leave(stopped(), drain);
    },
    giveUp() {
      if (current?.phase === "starting") void leave(closing(), 0);
    },
    follow(view) {
      views.add(view);
      if (shown !== undefined) view.show(shown);
      return () => void views.delete(view);
    },
    retain(first) {
      const failed = (error: unknown): void => tools.log.error("what runs from before cannot be ended:", error);
      if (holders++ === 0) gone = Promise.all([gone, first().catch(failed)]);
    },
    async release() {
      if (--holders === 0) await leave(closing(), 0);
    },
  };
}

function isGivenUp({ instances }: Run): boolean {
  return instances.every(({ backend }) => backend.status.state === "dead");
}

/** Milliseconds between two looks. */
const look = 25;

/** Resolves when nothing is under way, or the time is over. */
async function quiet(counts: readonly (() => number)[], drain: number): Promise<void> {
  // A request that chose one in this very turn is counted in the next one at the latest.
  await nextTurn();
  await nextTurn();
  const over = AbortSignal.timeout(drain);
  while (!over.aborted && counts.some((count) => count() > 0)) await pause(look, over);
}
