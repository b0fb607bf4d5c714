import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin, ProxyError, type Slot } from "../../core/index.ts";
import {
  type Books,
  type Claim,
  firstLack,
  giveBack,
  openBooks,
  type Permit,
  placesIn,
  take,
} from "./_concurrency-places.ts";
import { queueLimits, type QueueLimits, toPriority } from "./_queue-options.ts";
import { Waiter } from "./_queue-waiter.ts";

export interface ConcurrencyOptions extends QueueLimits {
  /** Requests under way in the whole proxy. @default no limit */
  process?: number;
  /** In each route, or by the names of routes. @default no limit */
  route?: number | Readonly<Record<string, number>>;
  /** Of each client: by the name that `keys` knows, else by address. @default no limit, or what `keys` says */
  client?: number;
}

type Settings = ConcurrencyOptions & Required<Pick<ConcurrencyOptions, "size" | "wait">>;

const most = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));

const schema: v.GenericSchema<ConcurrencyOptions, Settings> = v.pipe(
  v.strictObject({
    process: v.optional(most),
    route: v.optional(
      v.lazy((input): v.GenericSchema<number | Record<string, number>> =>
        typeof input === "object" ? v.record(v.string(), most) : most,
      ),
    ),
    client: v.optional(most),
    ...queueLimits,
  } satisfies { [K in keyof Required<ConcurrencyOptions>]: v.GenericSchema<ConcurrencyOptions[K], unknown> }),
  v.check(
    ({ process, route, client }) => process !== undefined || route !== undefined || client !== undefined,
    "Expected a limit for process, route or client",
  ),
);

/**
 * Limits the requests under way of the proxy, of each route and of each client.
 *
 * A request that is one too many waits in line until an earlier one is over, with the last byte of its answer; 429 when
 * the line is full, or a client has kept itself waiting for too long, 503 when the proxy or the route has. It then has
 * its place until it ends itself, also while it waits in `queue` or is retried. Limits hold over reloads, and for one
 * process. A client that `keys` knows may have a limit of its own, `concurrency` in its entry's limits; behind a balancer
 * that `trustedProxies` does not list, all others have one address. What is answered without a target, such as a refusal
 * or a control route, does not count.
 *
 * For what a single target can take there is its `maxConcurrency`.
 *
 * @example
 * concurrency({ process: 1_000, route: { "batch-embeddings": 16 }, client: 20, size: 64, wait: 10_000 });
 */
export const concurrency: (options: ConcurrencyOptions) => Plugin = definePlugin({
  name: "concurrency",
  options: schema,
  setup(proxy, options) {
    const books = proxy.keep("books", openBooks);
    const permits = proxy.slot<Permit>("concurrency-permit");
    const waiters = proxy.slot<Waiter>("concurrency-waiter");
    const claimsOf = createClaims(books, options, proxy.slot<Client>("client"));
    const priorityOf = toPriority(options.priority);
    const { size, wait } = options;

    async function waitFor(lack: Claim, permit: Permit, x: Exchange): Promise<void> {
      const waiter = new Waiter(x, { priority: priorityOf(x), number: (books.arrivals += 1), wait });
      books.permits.set(waiter, permit);
      waiters.set(x, waiter);
      if (!(await waiter.wait(lack.places.line))) throw tooLate(firstLack(permit.claims) ?? lack);
    }

    return {
      admit: {
        after: ["keys", "rate-limit"],
        before: ["queue"],
        handler(x) {
          const claims = claimsOf(x);
          if (claims.length === 0) return undefined;
          if (x.notes !== undefined) return void x.notes.push(`concurrency: at most ${claims.map(toText).join(", ")}`);
          const permit = { claims, held: false };
          permits.set(x, permit);
          const lack = firstLack(claims);
          if (lack === undefined) return take(permit);
          if (lack.places.line.length >= size || lack.limit < 1) throw refused(lack);
          return waitFor(lack, permit, x);
        },
      },
      end(x) {
        waiters.get(x)?.leave();
        const permit = permits.get(x);
        if (permit !== undefined) giveBack(permit, books.permits);
        return undefined;
      },
    };
  },
});

/** As guards leave it in their slot. */
interface Client {
  readonly name: string;
  readonly limits?: Readonly<Record<string, number>>;
}

/** What a request needs a place of; nothing where nothing is limited. */
function createClaims(
  { process, routes, clients }: Books,
  options: ConcurrencyOptions,
  client: Slot<Client>,
): (x: Exchange) => Claim[] {
  const limitOfRoute = toRouteLimit(options.route);

  function claimOfClient(x: Exchange): Claim | undefined {
    const who = client.get(x);
    const limit = who?.limits?.["concurrency"] ?? options.client;
    if (limit === undefined) return undefined;
    const name = who === undefined ? x.ip && `address ${x.ip}` : `name ${who.name}`;
    return name === undefined ? undefined : { places: placesIn(clients, name), limit, of: "client" };
  }

  return (x) => {
    const claims: Claim[] = [];
    const ofClient = claimOfClient(x);
    if (ofClient !== undefined) claims.push(ofClient);
    const name = x.route?.name ?? "";
    const limit = limitOfRoute(name);
    if (limit !== undefined) claims.push({ places: placesIn(routes, name), limit, of: "route" });
    if (options.process !== undefined) claims.push({ places: process, limit: options.process, of: "process" });
    return claims;
  };
}

function toRouteLimit(option: ConcurrencyOptions["route"]): (name: string) => number | undefined {
  if (typeof option !== "object") return () => option;
  const limits = new Map(Object.entries(option));
  return (name) => limits.get(name);
}

const words = { process: "the proxy", route: "this route", client: "this client" };

function toText({ of, limit }: Claim): string {
  return `${limit} for ${words[of]}`;
}

function refused({ of }: Claim): ProxyError {
  const message = `Too many requests of ${words[of]} are under way, and too many wait.`;
  return new ProxyError("rate_limited", message, { plugin: "concurrency", phase: "admit" });
}

function tooLate({ of }: Claim): ProxyError {
  const message = `The request waited too long for others of ${words[of]}.`;
  const code = of === "client" ? "rate_limited" : "overloaded";
  return new ProxyError(code, message, { plugin: "concurrency", phase: "admit" });
}
