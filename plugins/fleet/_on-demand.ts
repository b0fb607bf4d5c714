import { type Exchange, type Pool, ProxyError, type Reporter, type Route, type Target } from "../../core/index.ts";
import type { KeptBackend } from "./_backend.ts";

export interface OnDemandSetup {
  readonly pool: Pool;
  /** Those of this generation that run on demand, by the id of their target. */
  readonly backends: ReadonlyMap<string, KeptBackend>;
  readonly reporter: Reporter;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
}

/** Lets requests wait for the backend they need, and stops those that none needed for a while. */
export interface OnDemand {
  admit(x: Exchange): Promise<void> | undefined;
  stopIdle(): void;
  /** No request waits any longer. */
  close(): void;
}

interface Waiter {
  readonly route: Route;
  readonly id: string;
  readonly settle: (error?: ProxyError) => void;
}

interface Use {
  requests: number;
  at: number;
}

export function createOnDemand({ pool, backends, reporter, now }: OnDemandSetup): OnDemand {
  const waiters = new Set<Waiter>();
  const uses = new Map<string, Use>();
  pool.onChange(() => {
    for (const { route, settle } of waiters) if (route.candidates().length > 0) settle();
  });

  function wait(x: Exchange, route: Route, backend: KeptBackend): Promise<void> {
    const { name, onDemand } = backend.options;
    if (onDemand === false) return Promise.resolve();
    const { queue, wait: longest } = onDemand;
    const ahead = [...waiters].filter(({ id }) => id === name).length;
    if (ahead >= queue) return Promise.reject(full(backend));
    return new Promise((resolve, reject) => {
      const settle = (error?: ProxyError): void => {
        clearTimeout(timer);
        x.signal.removeEventListener("abort", leave);
        stopListening();
        waiters.delete(waiter);
        if (error === undefined) resolve();
        else reject(error);
      };
      const leave = (): void => settle();
      const timer = setTimeout(() => settle(late(x)), longest);
      const stopListening = backend.onChange(({ state }) => state === "dead" && settle(late(x)));
      const waiter: Waiter = { route, id: name, settle };
      waiters.add(waiter);
      x.signal.addEventListener("abort", leave, { once: true });
      if (x.signal.aborted) return leave();
      backend.start();
    });
  }

  function isAwaited(name: string): boolean {
    return [...waiters].some(({ id }) => id === name);
  }

  /** The last use of a target, as of now. */
  function useOf(target: Target, { status }: KeptBackend): Use {
    const { inflight, requests } = target.live;
    const before = uses.get(target.id);
    // While it starts it is used, be it by a request that has left since.
    const busy = inflight > 0 || isAwaited(target.id) || status.state !== "ready" || requests !== before?.requests;
    const use = before !== undefined && !busy ? before : { requests, at: now() };
    uses.set(target.id, use);
    return use;
  }

  function stopUnlessUsed({ id, live }: Target, backend: KeptBackend): void {
    const used = live.inflight > 0 || live.requests !== uses.get(id)?.requests || isAwaited(id);
    if (used) reporter.up(id);
    else void backend.stop();
  }

  return {
    admit(x) {
      const { route } = x;
      if (route?.pool !== pool || route.candidates().length > 0) return undefined;
      const backend = choose(route.possible(), backends);
      return backend === undefined ? undefined : wait(x, route, backend);
    },
    stopIdle() {
      for (const target of pool.snapshot.all) {
        const backend = backends.get(target.id);
        if (backend === undefined || backend.options.onDemand === false) continue;
        const { at } = useOf(target, backend);
        if (backend.status.state !== "ready" || now() - at < backend.options.onDemand.idle) continue;
        reporter.down(target.id, "stopped: no request came for a while");
        // A request that chose it in this very turn must not lose it: it is counted in the next one at the latest.
        setImmediate(() => setImmediate(() => stopUnlessUsed(target, backend)));
      }
    },
    close() {
      for (const { settle } of waiters) settle(new ProxyError("draining", "The proxy is about to close.", phase));
    },
  };
}

/** For explain: a request would start one. */
export function noteStart(x: Exchange, pool: Pool, names: ReadonlySet<string>): void {
  const { route } = x;
  if (route?.pool !== pool || route.candidates().length > 0) return;
  const target = route.possible().find(({ id }) => names.has(id));
  if (target !== undefined) x.notes?.push(`waits until ${target.id} is started`);
}

const phase = { phase: "admit", plugin: "babysitter" };

/** One that is on its way already, else the first that can still be started. */
function choose(targets: readonly Target[], backends: ReadonlyMap<string, KeptBackend>): KeptBackend | undefined {
  const startable = targets.flatMap(({ id }) => {
    const backend = backends.get(id);
    return backend === undefined || backend.status.state === "dead" ? [] : [backend];
  });
  return startable.find(({ status }) => status.state === "starting") ?? startable[0];
}

function full({ status }: KeptBackend): ProxyError {
  const retryAfter = Math.max(1, Math.ceil(status.startup / 1_000));
  return new ProxyError("overloaded", "Too many requests wait for a service that is being started.", {
    ...phase,
    retryAfter,
  });
}

function late({ model }: Exchange): ProxyError {
  const forModel = model === undefined ? "" : ` for model '${model}'`;
  return new ProxyError(
    "no_targets",
    `No healthy services available${forModel}; the one to be started is not ready yet.`,
    phase,
  );
}
