/** Asks Redis about services, many at once and one after another, so that neither side is kept busy for long. */
export interface Asks {
  /** `deregistered`: in case it is gone. */
  add(names: Iterable<string>, deregistered?: boolean): void;
  /** Resolves when all that was added is answered; rejects when it failed or was cleared. */
  done(): Promise<void>;
  clear(): void;
}

export interface AsksOptions {
  /** Of how many services at once. */
  readonly chunk: number;
  ask(chunk: ReadonlyMap<string, boolean>): Promise<void>;
  failed(error: unknown): void;
}

export function createAsks({ chunk, ask, failed }: AsksOptions): Asks {
  let waiting = new Map<string, boolean>();
  let running: Promise<void> | undefined;

  function take(queue: Map<string, boolean>): ReadonlyMap<string, boolean> {
    const taken = new Map<string, boolean>();
    for (const [name, deregistered] of queue) {
      if (taken.size === chunk) break;
      taken.set(name, deregistered);
      queue.delete(name);
    }
    return taken;
  }

  async function run(queue: Map<string, boolean>): Promise<void> {
    // What is added in this turn goes in one question.
    await Promise.resolve();
    try {
      for (let taken = take(queue); taken.size > 0; taken = take(queue)) {
        await ask(taken);
        if (queue !== waiting) break;
      }
    } finally {
      if (queue === waiting) running = undefined;
    }
    if (queue !== waiting) throw new Error("the connection was lost meanwhile");
  }

  return {
    add(names, deregistered = false) {
      for (const name of names) waiting.set(name, deregistered || waiting.get(name) === true);
      if (running !== undefined || waiting.size === 0) return;
      const queue = waiting;
      running = run(queue);
      running.catch((error: unknown) => {
        if (queue === waiting) failed(error);
      });
    },
    async done() {
      await running;
    },
    clear() {
      waiting = new Map();
      running = undefined;
    },
  };
}
