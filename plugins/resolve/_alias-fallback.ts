import { type Exchange, hasRoom, type Hooks, type Setup, type Slot } from "../../core/index.ts";
import type { Owners } from "./_alias-candidates.ts";
import { createStandIn, type Named, type Names } from "./_alias-names.ts";
import { type AliasEntry, type AliasFallbackModel, type AliasOptions, fallbacksOf } from "./_alias-options.ts";

/** What an alias falls back to. */
interface Chain {
  /** In the order of trying, with all that these fall back to. */
  readonly links: readonly Named[];
  isFailure(status: number): boolean;
}

/** How far a request has fallen back. */
interface Course extends Chain {
  left: readonly Named[];
}

export interface Fallbacks {
  readonly hooks: Pick<Hooks, "recover" | "upstreamResponse">;
  /** For explain: what follows on an alias. */
  explain(alias: string): readonly string[];
}

interface Making {
  readonly proxy: Setup;
  readonly aliases: AliasOptions;
  readonly names: Names;
  readonly owners: Owners;
}

/** Undefined where no alias has a fallback. There is no circle in them. */
export function createFallbacks(making: Making): Fallbacks | undefined {
  const chains = new Map(
    Object.entries(making.aliases).flatMap(([id, entry]) =>
      entry.fallback === undefined ? [] : [[id, createChain(making, id, entry)] as const],
    ),
  );
  if (chains.size === 0) return undefined;
  const courseOf = createCourses(making.proxy.slot<Course>("alias-fallback"), chains);
  return {
    hooks: {
      recover(x, error) {
        const course = courseOf(x);
        const next = course && nextOf(x, course.left);
        if (course === undefined || next === undefined) return undefined;
        x.notes?.push(`alias: falls back to '${next.route.name}' after ${error.code}`);
        fallBack(x, course, next);
        return "retry";
      },
      upstreamResponse(x, { status }) {
        if (status < 400) return undefined;
        const course = courseOf(x);
        if (course === undefined || !course.isFailure(status)) return undefined;
        if (hasAnother(x)) return "retry";
        const next = nextOf(x, course.left);
        if (next === undefined) return undefined;
        fallBack(x, course, next);
        return "retry";
      },
    },
    explain(alias) {
      const links = chains.get(alias)?.links ?? [];
      return links.length === 0
        ? []
        : [`alias: falls back to ${links.map(({ route }) => `'${route.name}'`).join(", then ")}`];
    },
  };
}

function createCourses(slot: Slot<Course>, chains: ReadonlyMap<string, Chain>): (x: Exchange) => Course | undefined {
  return (x) => {
    let course = slot.get(x);
    if (course !== undefined) return course;
    const chain = chains.get(x.route?.alias ?? "");
    if (chain !== undefined) slot.set(x, (course = { ...chain, left: chain.links }));
    return course;
  };
}

function createChain(making: Making, id: string, entry: AliasEntry): Chain {
  const statuses = entry.fallbackOn && new Set(entry.fallbackOn);
  return {
    // Of what is switched off there is nothing to try.
    links: linksOf(making, id, new Set([id])).filter(({ leaves }) => leaves.length > 0),
    isFailure: (status) => statuses?.has(status) ?? (status === 429 || status >= 500),
  };
}

/** Depth first, each alias once. */
function linksOf(making: Making, id: string, seen: Set<string>): Named[] {
  const entry = making.aliases[id] ?? {};
  return fallbacksOf(id, entry).flatMap(([fallback]) => {
    if (typeof fallback === "object") return [standIn(making, id, fallback)];
    if (seen.has(fallback)) return [];
    seen.add(fallback);
    const named = making.names.alias(fallback);
    return [...(named === undefined ? [] : [named]), ...linksOf(making, fallback, seen)];
  });
}

function standIn({ proxy, owners, aliases }: Making, id: string, target: AliasFallbackModel): Named {
  const { groups: _, ...entry } = aliases[id] ?? {};
  return createStandIn(proxy, owners, id, { ...entry, targets: [target] });
}

/** The first that can take the request now: of what is down or full there is nothing to hope for. */
function nextOf(x: Exchange, left: readonly Named[]): Named | undefined {
  return left.find((named) => named.routeFor(x).candidates().some(hasRoom));
}

function fallBack(x: Exchange, course: Course, next: Named): void {
  course.left = course.left.filter((named) => named !== next);
  x.route = next.routeFor(x);
}

/** Whether the route has an attempt and a target left. */
function hasAnother({ route, target, tried }: Exchange): boolean {
  if (route === undefined || tried.length + 1 >= route.retry.attempts) return false;
  const gone = new Set([...tried, target].map((each) => each?.id));
  return route.candidates().some(({ id }) => !gone.has(id));
}
