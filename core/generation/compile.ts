import type { ConsolaInstance } from "consola";
import type { Exchange, Outcome, Reply, UpstreamHead } from "../contract/exchange.ts";
import type { HookName, Hooks } from "../contract/hooks.ts";
import type { Route } from "../contract/route.ts";
import type { Awaitable } from "../contract/services.ts";
import type { Target } from "../contract/target.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { order, type Ordered } from "./order.ts";

export interface RegisteredHook extends Ordered {
  readonly phase: HookName;
  readonly handler: unknown;
}

/** Every phase as one function, or null when nobody takes part in it. */
export interface Phases {
  readonly request: ((x: Exchange) => Awaitable<void | Reply>) | null;
  readonly inspect: ((x: Exchange) => Awaitable<void | Reply>) | null;
  readonly resolve: ((x: Exchange) => Awaitable<void | Route | Reply>) | null;
  readonly admit: ((x: Exchange) => Awaitable<void | Reply>) | null;
  readonly candidates: Candidates | null;
  readonly upstreamRequest: ((x: Exchange) => Awaitable<void>) | null;
  readonly upstreamResponse: ((x: Exchange, head: UpstreamHead) => void | "retry") | null;
  readonly recover: ((x: Exchange, error: ProxyError) => Awaitable<void | Reply | "retry">) | null;
  readonly error: ((x: Exchange, error: ProxyError) => void | Reply) | null;
  readonly attemptEnd: ((x: Exchange, target: Target, outcome: Outcome) => void) | null;
  readonly end: ((x: Exchange, outcome: Outcome) => void) | null;
  readonly health: ((target: Target, up: boolean, reporter: string, reason: string) => void) | null;
  /** Plugin names per phase, in the order they run. */
  readonly order: Readonly<Partial<Record<HookName, readonly string[]>>>;
}

/** `told`: hears after each plugin what it left. */
export type Candidates = (
  x: Exchange,
  targets: readonly Target[],
  told?: (plugin: string, left: readonly Target[]) => void,
) => readonly Target[];

interface Named<F> {
  readonly plugin: string;
  readonly handler: F;
}

export function compile(hooks: readonly RegisteredHook[], log: ConsolaInstance): Phases {
  const names: Partial<Record<HookName, readonly string[]>> = {};
  const of = <K extends HookName>(phase: K): Named<Hooks[K]>[] => {
    const sorted = order(
      phase,
      hooks.filter((hook) => hook.phase === phase),
    );
    if (sorted.length > 0) names[phase] = sorted.map((hook) => hook.plugin);
    return sorted as unknown as Named<Hooks[K]>[];
  };
  return {
    request: chain("request", of("request")),
    inspect: chain("inspect", of("inspect")),
    resolve: chain<void | Route | Reply>("resolve", of("resolve")),
    admit: chain("admit", of("admit")),
    candidates: narrow(of("candidates"), log),
    upstreamRequest: chain<void>("upstreamRequest", of("upstreamRequest")),
    upstreamResponse: edit(of("upstreamResponse"), log),
    recover: recovery(of("recover")),
    error: firstReply(of("error"), log),
    attemptEnd: observe<[Exchange, Target, Outcome]>("attemptEnd", of("attemptEnd"), log),
    end: observe<[Exchange, Outcome]>("end", of("end"), log),
    health: observe<[Target, boolean, string, string]>("health", of("health"), log),
    order: names,
  };
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Types refuse an asynchronous observer; JavaScript does not, and its rejection must not end the process. */
function ignoreLate(late: Promise<unknown>, plugin: string, phase: HookName, log: ConsolaInstance): void {
  late.catch((error: unknown) => log.error(`plugin ${plugin} threw in phase ${phase}:`, error));
}

/** Blames a plugin for what its hook threw; a ProxyError is meant and passes. */
function blame(error: unknown, plugin: string, phase: HookName): ProxyError {
  if (isProxyError(error)) return error;
  return new ProxyError("plugin_error", "A plugin of the proxy failed.", { plugin, phase, cause: error });
}

/** JavaScript returns what it likes: neither a reply nor a route is a fault of its own. */
function answerOf<T>(value: T, plugin: string, phase: HookName): T {
  if (typeof value === "object" && value !== null) return value;
  if (phase === "recover" && value === "retry") return value;
  throw blame(new TypeError(`the hook returned ${String(value)}; return nothing, a reply or a route`), plugin, phase);
}

/** Gates and firsts alike: in order, the first defined value ends it; a promise is touched only where a hook returns one. */
function chain<T>(
  phase: HookName,
  hooks: readonly Named<(x: Exchange) => Awaitable<T>>[],
): ((x: Exchange) => Awaitable<T>) | null {
  if (hooks.length === 0) return null;
  const rest = (x: Exchange, from: number): Awaitable<T> => {
    for (let i = from; i < hooks.length; i++) {
      const { plugin, handler } = hooks[i] as Named<(x: Exchange) => Awaitable<T>>;
      let value: Awaitable<T>;
      try {
        value = handler(x);
      } catch (error) {
        throw blame(error, plugin, phase);
      }
      if (value === undefined) continue;
      if (!isPromise(value)) return answerOf(value, plugin, phase);
      const settled = value.catch((error: unknown) => Promise.reject(blame(error, plugin, phase)));
      return settled.then<T>((late) => (late === undefined ? rest(x, i + 1) : answerOf(late as T, plugin, phase)));
    }
    return undefined as T;
  };
  return (x) => rest(x, 0);
}

/** A hook that throws has changed the error, not ended the search: those behind it are asked about that one. */
function recovery(hooks: readonly Named<Hooks["recover"]>[]): Phases["recover"] {
  if (hooks.length === 0) return null;
  return async (x, failed) => {
    let error = failed;
    for (const { plugin, handler } of hooks) {
      try {
        const answer = await handler(x, error);
        if (answer !== undefined) return answerOf(answer, plugin, "recover");
      } catch (thrown) {
        error = blame(thrown, plugin, "recover");
      }
    }
    if (error !== failed) throw error;
    return undefined;
  };
}

function narrow(hooks: readonly Named<Hooks["candidates"]>[], log: ConsolaInstance): Phases["candidates"] {
  if (hooks.length === 0) return null;
  return (x, targets, told) => {
    let left = targets;
    for (const { plugin, handler } of hooks) {
      try {
        const answer: unknown = handler(x, left);
        if (isPromise(answer)) ignoreLate(answer, plugin, "candidates", log);
        if (!Array.isArray(answer))
          throw new TypeError(`the hook returned ${String(answer)}; return a list of targets`);
        left = answer;
      } catch (error) {
        throw blame(error, plugin, "candidates");
      }
      told?.(plugin, left);
    }
    return left;
  };
}

function edit(hooks: readonly Named<Hooks["upstreamResponse"]>[], log: ConsolaInstance): Phases["upstreamResponse"] {
  if (hooks.length === 0) return null;
  // All of them see the head: one that reads rate limits must not miss those of an answer that is thrown away.
  return (x, head) => {
    let retry: "retry" | undefined;
    for (const { plugin, handler } of hooks) {
      try {
        const answer: unknown = handler(x, head);
        if (answer === "retry") retry = answer;
        else if (isPromise(answer)) ignoreLate(answer, plugin, "upstreamResponse", log);
      } catch (error) {
        throw blame(error, plugin, "upstreamResponse");
      }
    }
    return retry;
  };
}

/** An error hook that fails must not hide the error it was asked to show. */
function firstReply(hooks: readonly Named<Hooks["error"]>[], log: ConsolaInstance): Phases["error"] {
  if (hooks.length === 0) return null;
  return (x, error) => {
    for (const { plugin, handler } of hooks) {
      try {
        const reply = handler(x, error);
        if (isPromise(reply)) ignoreLate(reply, plugin, "error", log);
        else if (reply !== undefined) return reply;
      } catch (thrown) {
        log.error(`plugin ${plugin} threw in phase error:`, thrown);
      }
    }
    return undefined;
  };
}

function observe<A extends unknown[]>(
  phase: HookName,
  hooks: readonly Named<(...args: A) => undefined>[],
  log: ConsolaInstance,
): ((...args: A) => void) | null {
  if (hooks.length === 0) return null;
  return (...args) => {
    for (const { plugin, handler } of hooks) {
      try {
        const late: unknown = handler(...args);
        if (isPromise(late)) ignoreLate(late, plugin, phase, log);
      } catch (error) {
        log.error(`plugin ${plugin} threw in phase ${phase}:`, error);
      }
    }
  };
}
