import type { ConsolaInstance } from "consola";
import { type LongTimer, longTimer } from "../long-timer.ts";
import type { PeriodicTask } from "./setup.ts";

/** The timers of a generation. A task never overlaps itself; one that throws is logged and runs again. */
export class Tasks {
  readonly #tasks: readonly PeriodicTask[];
  readonly #signal: AbortSignal;
  readonly #log: ConsolaInstance;
  readonly #timers: Set<LongTimer> = new Set();
  #stopped = false;

  constructor(tasks: readonly PeriodicTask[], signal: AbortSignal, log: ConsolaInstance) {
    this.#tasks = tasks;
    this.#signal = signal;
    this.#log = log;
  }

  /** Resolves when those that run at once have run. */
  async start(): Promise<void> {
    await Promise.all(this.#tasks.filter((task) => task.immediate === true).map((task) => this.#run(task)));
    for (const task of this.#tasks) this.#schedule(task);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.clear();
    this.#timers.clear();
  }

  #schedule(task: PeriodicTask): void {
    if (this.#stopped) return;
    const spread = (task.jitter ?? 0) * (Math.random() * 2 - 1);
    const timer = longTimer(
      () => {
        this.#timers.delete(timer);
        void this.#run(task).then(() => this.#schedule(task));
      },
      task.interval * (1 + spread),
    );
    this.#timers.add(timer);
  }

  async #run(task: PeriodicTask): Promise<void> {
    try {
      await task.task(this.#signal);
    } catch (error) {
      if (!this.#signal.aborted) this.#log.error(`plugin ${task.plugin} failed in a periodic task:`, error);
    }
  }
}
