import type { Line, Waiter } from "./_queue-waiter.ts";

/** Places for requests under way: of the proxy, of one route or of one client. */
export interface Places {
  taken: number;
  /** Those who lack a place here. */
  readonly line: Line;
  /** Takes it out of the books when nobody has a place or waits for one. */
  readonly forget: () => void;
}

/** What one request may take of them: all that are taken count against its own limit. */
export interface Claim {
  readonly places: Places;
  readonly limit: number;
  readonly of: "process" | "route" | "client";
}

/** What one request needs at once, and whether it has it. */
export interface Permit {
  readonly claims: readonly Claim[];
  held: boolean;
}

/** All places that are taken, and who waits for one. */
export interface Books {
  readonly process: Places;
  readonly routes: Map<string, Places>;
  readonly clients: Map<string, Places>;
  readonly permits: WeakMap<Waiter, Permit>;
  /** How many had to wait so far. */
  arrivals: number;
}

export function openBooks(): Books {
  const process = { taken: 0, line: [], forget: () => undefined };
  return { process, routes: new Map(), clients: new Map(), permits: new WeakMap(), arrivals: 0 };
}

export function placesIn(map: Map<string, Places>, name: string): Places {
  const known = map.get(name);
  if (known !== undefined) return known;
  const places: Places = {
    taken: 0,
    line: [],
    forget() {
      // Those who were refused here may end when others of the name have places again.
      if (map.get(name) === places) map.delete(name);
    },
  };
  map.set(name, places);
  return places;
}

/** The first that has no place left; undefined: there is one everywhere. */
export function firstLack(claims: readonly Claim[]): Claim | undefined {
  return claims.find(({ places, limit }) => places.taken >= limit);
}

export function take(permit: Permit): void {
  for (const { places } of permit.claims) places.taken += 1;
  permit.held = true;
}

/** Gives back what it holds; those whose turn it is then go on. */
export function giveBack(permit: Permit, permits: Books["permits"]): void {
  const { claims } = permit;
  if (permit.held) for (const { places } of claims) places.taken -= 1;
  permit.held = false;
  for (const { places } of claims) callIn(places.line, permits);
  for (const { places } of claims) if (places.taken === 0 && places.line.length === 0) places.forget();
}

/** Where there are places nobody waits, so that who comes new overtakes nobody. */
function callIn(line: Line, permits: Books["permits"]): void {
  for (let next = line[0]; next !== undefined; next = line[0]) {
    const permit = permits.get(next) ?? { claims: [], held: false };
    const lack = firstLack(permit.claims);
    if (lack?.places.line === line) return;
    if (lack === undefined) {
      take(permit);
      next.go();
    } else next.move(lack.places.line);
  }
}
