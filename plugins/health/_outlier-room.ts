import type { Pool, Route, Target } from "../../core/index.ts";

export interface RoomSettings {
  readonly share: number;
  readonly panic: "fail" | "all";
  readonly panicBelow: number;
}

export interface RoomTools {
  pools(): readonly Pool[];
  /** Not ejected, nor on trial. */
  isUsable(target: Target): boolean;
}

/** How many targets may be out at once. */
export interface Room {
  /** Whether others are left if it goes: in its pools, and on the route that a request to it took. */
  spares(target: Target, route: Route | undefined): boolean;
  /** Whether so few are usable that none must be out. */
  isShort(pool: Pool): boolean;
}

export function createRoom({ share, panic, panicBelow }: RoomSettings, { pools, isUsable }: RoomTools): Room {
  function leaves({ snapshot: { all, available } }: Pool, target: Target): boolean {
    const gone = all.filter((other) => other.id !== target.id && !isUsable(other)).length;
    const left = available.filter((other) => other.id !== target.id && isUsable(other)).length;
    if (left === 0 || isTooFew(left, all.length)) return false;
    return gone + 1 <= Math.max(1, Math.floor(all.length * share));
  }

  function leavesOne(route: Route, target: Target): boolean {
    const possible = route.possible();
    if (!possible.some(({ id }) => id === target.id)) return true;
    const usable = new Set(route.pool.snapshot.available.filter(isUsable).map(({ id }) => id));
    return possible.some(({ id }) => id !== target.id && usable.has(id));
  }

  function isTooFew(left: number, all: number): boolean {
    return panic === "all" && left < all * panicBelow;
  }

  return {
    spares(target, route) {
      const holding = pools().filter(({ snapshot }) => snapshot.all.some(({ id }) => id === target.id));
      if (holding.length === 0 || !holding.every((pool) => leaves(pool, target))) return false;
      return route === undefined || leavesOne(route, target);
    },
    isShort: ({ snapshot: { all, available } }) => isTooFew(available.filter(isUsable).length, all.length),
  };
}
