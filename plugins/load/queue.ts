import * as v from "valibot";
import {
  definePlugin,
  type ErrorCode,
  type Exchange,
  type Plugin,
  ProxyError,
  type Route,
  type Setup,
} from "../../core/index.ts";
import { allDown, createLines, hasPlace, type Lines } from "./_queue-lines.ts";
import { queueLimits, type QueueLimits, toPriority } from "./_queue-options.ts";
import { Waiter } from "./_queue-waiter.ts";

/** `room`: all targets are at their `maxConcurrency`; `recovery`: none of them is available. */
export type QueueReason = "room" | "recovery";

export interface QueueOptions extends QueueLimits {
  /** What is waited for. @default both */
  for?: readonly QueueReason[];
}

type Settings = QueueOptions & Required<Omit<QueueOptions, "priority">>;

const all: readonly QueueReason[] = ["room", "recovery"];

const schema: v.GenericSchema<QueueOptions, Settings> = v.strictObject({
  ...queueLimits,
  for: v.optional(v.pipe(v.array(v.picklist(all)), v.minLength(1, "Expected at least one thing to wait for")), () => [
    ...all,
  ]),
} satisfies { [K in keyof Required<QueueOptions>]: v.GenericSchema<QueueOptions[K], unknown> });

/**
 * Lets requests wait for a target with room, or for one that recovers.
 *
 * Without it a request that no target can take is a 503 at once. With it, it stands in the line of its route until a
 * target has room by its `maxConcurrency`, or is available again; who comes later does not overtake. Room is given to
 * one request at a time, in order of priority and arrival. A full line is a 429, a request that waited too long gets the
 * 503 that it would have had, and a client that leaves is out at once. Where all targets cool down for longer than a
 * request may wait, it does not.
 *
 * Before `alias` in the config a request waits first, and then falls back to another alias; behind it, it waits when
 * there is nothing left to fall back to. The slot `queued` tells how many milliseconds a request has waited. Lines
 * are those of one proxy and one config: what waits while the config is reloaded waits in a line of its own. Sizes as
 * of SGLang's router (`--queue-size`, `--queue-timeout-secs`); priorities as of vLLM and LiteLLM, the lowest first.
 *
 * @example
 * queue({ size: 64, wait: 10_000, priority: "x-priority" });
 */
export const queue: (options?: QueueOptions) => Plugin = definePlugin({
  name: "queue",
  options: schema,
  setup(proxy, options) {
    const lines = createLines();
    const places = createPlaces(proxy, lines, options);

    return {
      admit(x) {
        const { route } = x;
        if (route === undefined || lines.find(route) === undefined) return undefined;
        // It finds out by itself that no target takes it, and others may then know a way on.
        if (places.isFull(route) && !hasPlace(x)) return undefined;
        return places.wait(x, route).then(() => undefined);
      },
      recover(x, error) {
        const { route } = x;
        if (route === undefined) return undefined;
        const reason = reasonToWait(x, error, options.wait);
        if (reason === undefined || !options.for.includes(reason) || !places.mayWait(x, reason)) return undefined;
        if (x.notes !== undefined) return void x.notes.push(`queue: waits for ${reason}, ${options.wait} ms at most`);
        return places.wait(x, route).then((turn) => (turn ? "retry" : undefined));
      },
      end(x) {
        places.leave(x);
        return undefined;
      },
    };
  },
});

interface Places {
  isFull(route: Route): boolean;
  mayWait(x: Exchange, reason: QueueReason): boolean;
  /** Stands in line, where it stood before if it did; throws when the line is full. */
  wait(x: Exchange, route: Route): Promise<boolean>;
  leave(x: Exchange): void;
}

function createPlaces(proxy: Setup, lines: Lines, { size, wait: most, priority }: Settings): Places {
  const waiters = proxy.slot<Waiter>("queue-waiter");
  const queued = proxy.slot<number>("queued");
  const priorityOf = toPriority(priority);
  let arrivals = 0;

  const isFull = (route: Route): boolean => (lines.find(route)?.waiters.length ?? 0) >= size;

  function refuse(route: Route): never {
    const line = lines.find(route);
    if (line?.full === false) proxy.log.warn(`queue: ${size} requests wait for route ${route.name}, no more may`);
    if (line !== undefined) line.full = true;
    throw new ProxyError("rate_limited", "Too many requests wait already.", { plugin: "queue" });
  }

  function enter(x: Exchange, route: Route): Waiter {
    if (isFull(route)) refuse(route);
    const waiter = new Waiter(x, { priority: priorityOf(x), number: (arrivals += 1), wait: most });
    waiters.set(x, waiter);
    return waiter;
  }

  return {
    isFull,
    mayWait(x, reason) {
      const waiter = waiters.get(x);
      // A full line of a route whose targets are down is no client's fault: the error stands.
      if (waiter === undefined) return reason === "room" || x.route === undefined || !isFull(x.route);
      waiter.passed = lines.changes;
      return !waiter.late;
    },
    async wait(x, route) {
      const waiter = waiters.get(x) ?? enter(x, route);
      const since = performance.now();
      const turn = await lines.wait(waiter, route);
      queued.set(x, (queued.get(x) ?? 0) + performance.now() - since);
      return turn;
    },
    leave: (x) => waiters.get(x)?.leave(),
  };
}

/** Nothing was sent: the same may be sent again. */
const unsent: ReadonlySet<ErrorCode> = new Set(["no_targets", "connect_failed", "connect_timeout", "dns_error"]);

/** Undefined: there is nothing to wait for. */
function reasonToWait(x: Exchange, { code, retryAfter = 0 }: ProxyError, wait: number): QueueReason | undefined {
  if (code === "overloaded") return "room";
  // Told in whole seconds, rounded up.
  if (code === "cooling_down") return (retryAfter - 1) * 1_000 < wait ? "recovery" : undefined;
  return unsent.has(code) && allDown(x) ? "recovery" : undefined;
}
