import { inspect } from "node:util";
import type { DiscoverySink } from "../../core/index.ts";
import { type ModelEntry, toSpec } from "./_model-entry.ts";

export interface PushOptions {
  readonly sink: DiscoverySink;
  readonly entries: ReadonlyMap<string, ModelEntry>;
  /** Whether targets that name no models wait for their own word. */
  readonly waits: boolean;
}

/** Tells core what changed, once in each turn of the event loop; nothing before `begin`. */
export interface Push {
  begin(): void;
  /** One target is not what it was, or is gone. */
  changed(id: string): void;
  /** Whether an answer came, or not, may be other news. */
  look(): void;
  /** What the discovery that is wrapped says is wrong; undefined: it is well. */
  inner(fault: unknown): void;
  stop(): void;
}

/** Faults that are told. */
const mostFaults = 3;

export function createPush({ sink, entries, waits }: PushOptions): Push {
  const ids = new Set<string>();
  let whole = true;
  let state: "held" | "open" | "over" = "held";
  let flushing: NodeJS.Immediate | undefined;
  let innerFault: unknown;
  let told: string | undefined;

  function schedule(): void {
    if (state === "open") flushing ??= setImmediate(flush);
  }

  function flush(): void {
    flushing = undefined;
    const fault = faultOf([...entries.values()], innerFault);
    // Whatever is pushed says that the source is well.
    if (fault === undefined && told !== undefined) whole = true;
    const pushes = whole || ids.size > 0;
    if (whole) sink.replace([...entries.values()].flatMap((entry) => toSpec(entry, waits) ?? []));
    else for (const id of ids) pass(id);
    if (fault !== undefined && (pushes || fault !== told)) sink.fail(new Error(fault));
    told = fault;
    whole = false;
    ids.clear();
  }

  function pass(id: string): void {
    const entry = entries.get(id);
    const spec = entry && toSpec(entry, waits);
    if (spec === undefined) sink.remove(id);
    else sink.upsert(spec);
  }

  return {
    begin() {
      if (state === "over") return;
      state = "open";
      flush();
    },
    changed(id) {
      ids.add(id);
      schedule();
    },
    look: schedule,
    inner(fault) {
      innerFault = fault;
      schedule();
    },
    stop() {
      state = "over";
      clearImmediate(flushing);
    },
  };
}

/** What is wrong with the discovery, or with the answers of the targets. */
function faultOf(entries: readonly ModelEntry[], inner: unknown): string | undefined {
  const failed = entries.filter(({ fault }) => fault !== undefined);
  const faults = failed.slice(0, mostFaults).map(({ id, fault }) => `models of ${id}: ${fault}`);
  if (failed.length > mostFaults) faults.push(`and of ${failed.length - mostFaults} more`);
  if (inner !== undefined) faults.unshift(inner instanceof Error ? inner.message : inspect(inner));
  return faults.length === 0 ? undefined : faults.join("; ");
}
