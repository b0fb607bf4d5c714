import type { DiscoverySink, TargetSpec } from "../../core/index.ts";
import { createEntry, isAwaited, type KnownModels, type ModelEntry, printOf } from "./_model-entry.ts";
import type { ModelList } from "./_model-list.ts";
import { createPush } from "./_model-push.ts";
import { createQuestions, type QuestionsOptions } from "./_model-questions.ts";
import { toId } from "./_target-spec.ts";

export interface ModelTargetsOptions extends Omit<QuestionsOptions, "answered"> {
  readonly sink: DiscoverySink;
  readonly signal: AbortSignal;
  readonly known: KnownModels;
  /** From the root of each target's origin; undefined: where OpenAI has it. */
  readonly path: string | undefined;
  /** Whether those that name no models wait for their own word. */
  readonly waits: boolean;
  warn(text: string): void;
}

export interface ModelTargets {
  /** For the discovery that is wrapped. */
  readonly sink: DiscoverySink;
  /** Passes on what is there when all have answered, or after so many milliseconds; from then on all as it comes. */
  begin(patience: number): Promise<void>;
}

/** Stands between a discovery and core, and puts in the models that the targets themselves name. */
export function createModelTargets(options: ModelTargetsOptions): ModelTargets {
  const { signal, known } = options;
  const entries = new Map<string, ModelEntry>();
  const push = createPush({ ...options, entries });
  const questions = createQuestions({ ...options, answered });
  let settle = (): void => undefined;

  function answered(entry: ModelEntry, answer: ModelList | Error): void {
    if (answer instanceof Error) {
      entry.failures += 1;
      entry.fault = answer.message;
    } else learn(entry, answer);
    push.look();
    settle();
  }

  function learn(entry: ModelEntry, { models, refused }: ModelList): void {
    if (refused > 0 && refused !== entry.refused)
      options.warn(`target ${entry.id} names ${refused} models whose names cannot be used; they are left out`);
    const isSame = JSON.stringify(models) === JSON.stringify(entry.models);
    Object.assign(entry, { failures: 0, fault: undefined, refused, models });
    if (isSame) return;
    remember(known, entry, models);
    push.changed(entry.id);
  }

  function put(spec: TargetSpec): void {
    const id = toId(spec);
    const before = entries.get(id);
    push.changed(id);
    if (before?.print === printOf(spec)) return void (before.spec = spec);
    if (before !== undefined) questions.drop(before);
    const entry = createEntry(id, spec, known, options.path);
    entries.set(id, entry);
    if (entry.place !== undefined) questions.begin(entry);
  }

  function leave(entry: ModelEntry): void {
    questions.drop(entry);
    entries.delete(entry.id);
    known.delete(entry.id);
    push.changed(entry.id);
  }

  signal.addEventListener("abort", () => {
    push.stop();
    for (const entry of entries.values()) questions.drop(entry);
    settle();
  });

  return {
    sink: {
      replace(specs) {
        const present = new Set(specs.map(toId));
        for (const entry of entries.values()) if (!present.has(entry.id)) leave(entry);
        for (const spec of specs) put(spec);
        push.inner(undefined);
      },
      upsert(spec) {
        put(spec);
        push.inner(undefined);
      },
      remove(id) {
        const entry = entries.get(id);
        if (entry !== undefined) leave(entry);
      },
      fail: (error) => push.inner(error),
    },
    async begin(patience) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patience);
        settle = () => {
          if (!signal.aborted && [...entries.values()].some(isAwaited)) return;
          clearTimeout(timer);
          resolve();
        };
        settle();
      });
      settle = () => undefined;
      push.begin();
    },
  };
}

/** Targets whose models are remembered over reloads. */
const mostKnown = 10_000;

function remember(known: KnownModels, { id, print }: ModelEntry, models: readonly string[]): void {
  known.delete(id);
  known.set(id, { print, models });
  const [oldest] = known.keys();
  if (known.size > mostKnown && oldest !== undefined) known.delete(oldest);
}
