import type { Storage } from "unstorage";
import type { TargetSpec } from "../../core/index.ts";
import type { Told } from "./_follow.ts";
import { parseTargetList, showFault } from "./_target-list.ts";
import { toId } from "./_target-spec.ts";

/** What was read last below each key, as far as it was right. */
export type LastStored = Map<string, readonly TargetSpec[]>;

/** Keys that one store may have below its base. */
const mostKeys = 10_000;
/** Faults of one round that are told. */
const most = 20;

/** Reads all targets below a base; of a key that says nothing that is right, what it said before. */
export async function readStored(storage: Storage, base: string, last: LastStored): Promise<Told> {
  const keys = (await storage.getKeys(base)).filter((key) => !key.endsWith("$")).toSorted();
  if (keys.length > mostKeys) throw new Error(`${keys.length} keys are too many; ${mostKeys} is the most`);
  // A store that was flushed, or a volume that is not mounted, looks just like one that has no more targets.
  if (keys.length === 0 && [...last.values()].some((targets) => targets.length > 0)) {
    throw new Error(`no key ${below(base)}; store [] under one of them if there are no targets`);
  }
  const values = await readAll(storage, keys);
  const faults: string[] = [];
  const now = new Map<string, readonly TargetSpec[]>();
  for (const [key, value] of values) {
    const read = parseItem(value);
    if ("targets" in read) now.set(key, read.targets);
    else {
      faults.push(`${key}: ${read.fault}`);
      now.set(key, last.get(key) ?? []);
    }
  }
  last.clear();
  for (const [key, targets] of now) last.set(key, targets);
  return { targets: withoutTwice(now, faults), fault: toError(faults) };
}

/** What stays while the storage fails. */
export function knownTargets(last: LastStored): readonly TargetSpec[] {
  return withoutTwice(last, []);
}

function below(base: string): string {
  return base === "" ? "in the storage" : `below "${base}"`;
}

async function readAll(storage: Storage, keys: readonly string[]): Promise<[key: string, value: unknown][]> {
  const found = await storage.getItems([...keys]);
  const values = new Map(found.map(({ key, value }) => [key, value]));
  return keys.flatMap((key): [string, unknown][] => {
    const value = values.get(key);
    // The driver of files resolves with the error.
    if (value instanceof Error) throw value;
    // Removed since the keys were listed.
    return value === null || value === undefined ? [] : [[key, value]];
  });
}

/** One target, or a list of them. */
function parseItem(value: unknown): { readonly targets: readonly TargetSpec[] } | { readonly fault: string } {
  if (typeof value === "string" && /^\s*[[{]/.test(value)) return { fault: "this is no valid JSON" };
  if (value === "") return { fault: "this is empty; store [] for no targets" };
  const isList = Array.isArray(value) || (isRecord(value) && "targets" in value);
  const list = parseTargetList(isList ? value : [value], true);
  if (list.faults === undefined) return list;
  const faults = list.faults.map(({ path, message }) => showFault({ path: path.slice(isList ? 0 : 2), message }));
  return { fault: faults.join("; ") };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of a target that stands below two keys the first counts. */
function withoutTwice(stored: ReadonlyMap<string, readonly TargetSpec[]>, faults: string[]): TargetSpec[] {
  const firsts = new Map<string, string>();
  const targets: TargetSpec[] = [];
  for (const [key, specs] of stored) {
    for (const spec of specs) {
      const first = firsts.get(toId(spec));
      if (first === undefined) targets.push(spec);
      else faults.push(`${key}: the id "${toId(spec)}" is taken by ${first} already`);
      firsts.set(toId(spec), first ?? key);
    }
  }
  return targets;
}

function toError(faults: readonly string[]): Error | undefined {
  if (faults.length === 0) return undefined;
  const rest = faults.length - most;
  return new Error([...faults.slice(0, most), ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n"));
}
