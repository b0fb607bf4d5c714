import { alarm } from "./_registry-deadlines.ts";

/** Writes of many names, of each one at a time. */
export interface Turns {
  /** Begins after those under way; who asks meanwhile shares the next. Never rejects, and never takes longer than it may. */
  take(name: string): Promise<void>;
  /** Those of which a write has not begun, or not ended. */
  open(): string[];
}

export interface TurnsOptions {
  /** Never rejects. */
  write(name: string): Promise<void>;
  /** A write took longer than `patience`, and who asked for it waits no more. */
  late(name: string): void;
  /** Milliseconds. */
  readonly patience: number;
}

export function createTurns({ write, late, patience }: TurnsOptions): Turns {
  const waiting = new Map<string, Promise<void>>();
  const writing = new Map<string, Promise<void>>();

  function begin(name: string): Promise<void> {
    waiting.delete(name);
    const run = write(name).finally(() => {
      if (writing.get(name) === run) writing.delete(name);
    });
    writing.set(name, run);
    return run;
  }

  function queue(name: string): Promise<void> {
    let turn = waiting.get(name);
    if (turn === undefined) {
      turn = (writing.get(name) ?? Promise.resolve()).then(() => begin(name));
      waiting.set(name, turn);
    }
    return turn;
  }

  return {
    take: (name) =>
      new Promise((resolve) => {
        const cancel = alarm(() => {
          late(name);
          resolve();
        }, patience);
        void queue(name).then(() => {
          cancel();
          resolve();
        });
      }),
    open: () => [...new Set([...waiting.keys(), ...writing.keys()])],
  };
}
