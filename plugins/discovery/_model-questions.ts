import type { ModelEntry } from "./_model-entry.ts";
import type { ModelList, ModelPlace } from "./_model-list.ts";

export interface QuestionsOptions {
  ask(place: ModelPlace, cancel: AbortController): Promise<ModelList>;
  /** Milliseconds until a target is asked again, after so many failures in a row. */
  wait(failures: number): number;
  /** What came of a question; the entry has not been dropped meanwhile. */
  answered(entry: ModelEntry, answer: ModelList | Error): void;
}

/** Asks targets again and again, some at a time. */
export interface Questions {
  begin(entry: ModelEntry): void;
  drop(entry: ModelEntry): void;
}

/** Asked at once. */
const mostQuestions = 32;

export function createQuestions({ ask, wait, answered }: QuestionsOptions): Questions {
  const held = new Set<ModelEntry>();
  const pending: ModelEntry[] = [];
  let running = 0;

  function goOn(): void {
    while (running < mostQuestions) {
      const next = pending.shift();
      if (next === undefined) return;
      if (held.has(next) && next.place !== undefined) void question(next, next.place);
    }
  }

  async function question(entry: ModelEntry, place: ModelPlace): Promise<void> {
    running += 1;
    const cancel = (entry.asking = new AbortController());
    const answer = await ask(place, cancel).catch(toError);
    entry.asking = undefined;
    running -= 1;
    if (held.has(entry)) {
      answered(entry, answer);
      entry.timer = setTimeout(() => put(entry), wait(entry.failures)).unref();
    }
    goOn();
  }

  function put(entry: ModelEntry): void {
    pending.push(entry);
    goOn();
  }

  return {
    begin(entry) {
      held.add(entry);
      put(entry);
    },
    drop(entry) {
      held.delete(entry);
      clearTimeout(entry.timer);
      entry.asking?.abort();
    },
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
