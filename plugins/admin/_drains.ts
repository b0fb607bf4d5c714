import type { Setup, Target } from "../../core/index.ts";
import type { Drain, DrainStore } from "./_drain-storage.ts";

export interface Drains {
  /** Those of now, by id. */
  readonly all: ReadonlyMap<string, Drain>;
  /** False: it holds, and is not stored. */
  begin(drain: Drain): Promise<boolean>;
  /** The same; what was not drained stays so. */
  end(id: string): Promise<boolean>;
  /** Without the targets that are drained: the list itself, or a frozen one that it keeps. */
  narrow(targets: readonly Target[]): readonly Target[];
}

/** As plain values, which `explain` copies. */
interface Book {
  /** Changes with each drain that begins or ends. */
  version: number;
  readonly drains: Map<string, Drain>;
  /** What is stored has been read. */
  recalled: boolean;
}

export function createDrains(proxy: Setup, store: DrainStore | undefined): Drains {
  const { log } = proxy;
  const reporter = proxy.reporter("admin");
  const book = proxy.keep<Book>("drains", () => ({ version: 0, drains: new Map(), recalled: false }));
  const { drains } = book;
  proxy.onReady(async () => {
    if (store !== undefined && !book.recalled) await recall(store);
    for (const drain of drains.values()) reporter.down(drain.id, whyDown(drain));
    for (const pool of proxy.pools())
      pool.onChange(({ available }) => {
        if (drains.size > 0) for (const { id } of available) sayAgain(id);
      });
  });

  async function recall(given: DrainStore): Promise<void> {
    book.recalled = true;
    try {
      for (const drain of await given.read()) if (!drains.has(drain.id)) drains.set(drain.id, drain);
      book.version += 1;
    } catch (error) {
      log.error("which targets were drained before the start is not known, so they are used:", error);
    }
  }

  /** What core knew of a target goes with it; that it is drained must hold when it comes back. */
  function sayAgain(id: string): void {
    const drain = drains.get(id);
    if (drain !== undefined) reporter.down(id, whyDown(drain));
  }

  return {
    all: drains,
    begin(drain) {
      drains.set(drain.id, drain);
      book.version += 1;
      reporter.down(drain.id, whyDown(drain));
      return isStored(store?.write(drain), drain.id, log);
    },
    end(id) {
      drains.delete(id);
      book.version += 1;
      reporter.up(id);
      return isStored(store?.remove(id), id, log);
    },
    narrow: createNarrowing(book),
  };
}

/** As it is shown with what others say of a target. */
export function whyDown({ reason }: Drain): string {
  return reason === undefined ? "drained by an operator" : `drained: ${reason}`;
}

async function isStored(work: Promise<void> | undefined, id: string, log: Setup["log"]): Promise<boolean> {
  if (work === undefined) return false;
  try {
    await work;
    return true;
  } catch (error) {
    log.warn(`target ${id}: this is not stored, and will not be known after a restart:`, error);
    return false;
  }
}

/** Verdicts are published a little later than they are said: a target that comes back is there before its verdict. */
function createNarrowing(book: Book): Drains["narrow"] {
  let lists = new WeakMap<readonly Target[], readonly Target[]>();
  let version = book.version;
  return (targets) => {
    if (book.drains.size === 0) return targets;
    if (version !== book.version) {
      lists = new WeakMap();
      version = book.version;
    }
    let list = lists.get(targets);
    if (list === undefined) lists.set(targets, (list = without(book.drains, targets)));
    return list;
  };
}

function without(drains: ReadonlyMap<string, Drain>, targets: readonly Target[]): readonly Target[] {
  const left = targets.filter(({ id }) => !drains.has(id));
  return left.length === targets.length ? targets : Object.freeze(left);
}
