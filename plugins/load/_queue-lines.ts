import { allowedTargets, type Exchange, hasRoom, type Pool, type Route, type Target } from "../../core/index.ts";
import type { Line, Waiter } from "./_queue-waiter.ts";

/** Those who wait for the targets of one route. */
export interface RouteLine {
  readonly route: Route;
  readonly waiters: Line;
  /** It has been told that no more may wait in it. */
  full: boolean;
}

export interface Lines {
  /** How many changes of load and health there were: who found no place waits for the next. */
  readonly changes: number;
  /** The line of a route that somebody stands in, or has stood in a moment ago. */
  find(route: Route | undefined): RouteLine | undefined;
  /** Stands in the line of a route. */
  wait(waiter: Waiter, route: Route): Promise<boolean>;
}

/**
 * Lets those who wait for targets go on, one for each free place and no more than one to a target in each turn of the
 * event loop: until then it is not known whether the place was taken, and by whom.
 */
export function createLines(): Lines {
  const lines = new Map<Route, RouteLine>();
  // Nothing is listened to before somebody has waited.
  const watched = new Set<Pool>();
  let changes = 0;
  let next: NodeJS.Immediate | undefined;

  /** A turn after the end of an answer was told: before that undici does not take its connection for free. */
  function wake(): void {
    next ??= setImmediate(() => (next = setImmediate(callIn)));
  }

  function changed(): void {
    if (lines.size === 0) return;
    changes += 1;
    wake();
  }

  function callIn(): void {
    next = undefined;
    const taken = new Set<string>();
    const waiting = [...lines.values()].toSorted((a, b) => byTurn(a.waiters[0], b.waiters[0]));
    for (const line of waiting) {
      // The line stays for one turn more: those who come meanwhile stand behind who was let go and may come back.
      if (letGo(line, taken, changes)) wake();
      else if (line.waiters.length === 0) lines.delete(line.route);
    }
  }

  return {
    get changes() {
      return changes;
    },
    find: (route) => (route === undefined || lines.size === 0 ? undefined : lines.get(route)),
    async wait(waiter, route) {
      const { pool } = route;
      if (!watched.has(pool)) {
        watched.add(pool);
        pool.onLoad(changed);
        pool.onChange(changed);
      }
      let line = lines.get(route);
      if (line === undefined) lines.set(route, (line = { route, waiters: [], full: false }));
      // What is free may be for this one and for nobody before it.
      wake();
      const turn = await waiter.wait(line.waiters);
      if (!turn && line.waiters.length === 0 && lines.get(route) === line) lines.delete(route);
      return turn;
    },
  };
}

/** True: somebody's turn came. */
function letGo({ route, waiters }: RouteLine, taken: Set<string>, changes: number): boolean {
  let some = false;
  // Mostly there is none, and then nobody is looked at.
  const isFree = (): boolean => freePlace(route.candidates(), taken) !== undefined;
  for (const waiter of isFree() ? waiters.slice() : []) {
    if (waiter.passed === changes) continue;
    const place = placeFor(waiter, taken);
    if (place === undefined) continue;
    taken.add(place.id);
    waiter.go();
    some = true;
    if (!isFree()) break;
  }
  return some;
}

function byTurn(a: Waiter | undefined, b: Waiter | undefined): number {
  if (a === undefined || b === undefined) return 0;
  return a.priority - b.priority || a.number - b.number;
}

function freePlace(targets: readonly Target[], taken?: ReadonlySet<string>): Target | undefined {
  return targets.find((target) => hasRoom(target) && taken?.has(target.id) !== true);
}

function placeFor({ x }: Waiter, taken: ReadonlySet<string>): Pick<Target, "id"> | undefined {
  try {
    return freePlace(targetsFor(x), taken);
  } catch {
    return { id: "" }; // The hook of another plugin threw: that is told to the client by who selects the target.
  }
}

/** The available targets that the request may go to; what was tried counts no more for one that is taken up again. */
function targetsFor(x: Exchange): readonly Target[] {
  return allowedTargets(x, x.route?.candidates() ?? []);
}

/** Whether a target has room for the request. */
export function hasPlace(x: Exchange): boolean {
  return freePlace(targetsFor(x)) !== undefined;
}

/** Whether all targets that the request may go to are down, or there are none. */
export function allDown(x: Exchange): boolean {
  const { route } = x;
  if (route === undefined) return false;
  // A verdict counts at once; the pool tells of it at the end of the tick.
  if (targetsFor(x).some(({ id }) => route.pool.verdicts(id).length === 0)) return false;
  const possible = route.possible();
  return possible.length === 0 || allowedTargets(x, possible).length > 0;
}
