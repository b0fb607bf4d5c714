import type { ConsolaInstance } from "consola";
import type { EventHandler } from "h3";
import { configError } from "../config/config-error.ts";
import { suggest } from "../config/suggest.ts";
import type { Exchange, Slot } from "../contract/exchange.ts";
import type { HookMap, HookName } from "../contract/hooks.ts";
import type { Mode, Setup, Status, Task } from "../contract/setup.ts";
import type { Awaitable } from "../contract/services.ts";
import { abandonAttempt, hedge } from "../exchange/attempts.ts";
import { answerEarly } from "../exchange/early.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import { extraAttempt } from "../exchange/extra-attempts.ts";
import type { RegisteredHook } from "./compile.ts";
import type { Registry } from "./registry.ts";
import type { Scope } from "./scope.ts";
import type { ServiceTable } from "./services.ts";

export interface PeriodicTask extends Task {
  readonly interval: number;
  readonly plugin: string;
  readonly task: (signal: AbortSignal) => Awaitable<void>;
}

export interface ControlRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly plugin: string;
  readonly handler: EventHandler;
}

export interface SetupContext {
  readonly plugin: string;
  readonly index: number;
  /** Of a plugin in the options of another: its options' path, with a dot at the end. */
  readonly path: string;
  /** Whose requests it takes part in. */
  readonly scope: Scope;
  /** Where its services go: those of the config, or for a plugin in the options of another its own. */
  readonly services: ServiceTable;
  readonly random: () => number;
  readonly explain: Setup["explain"];
  readonly reload: Setup["reload"];
  readonly config: Setup["config"];
  readonly log: ConsolaInstance;
  readonly mode: Mode;
  readonly signal: AbortSignal;
  readonly status: () => Status;
  readonly keep: <T>(name: string, create: () => T) => T;
}

const phases: readonly HookName[] = [
  "request",
  "inspect",
  "resolve",
  "admit",
  "candidates",
  "upstreamRequest",
  "upstreamResponse",
  "recover",
  "error",
  "attemptEnd",
  "end",
  "health",
];

/** The setup API of one plugin: writes what it registers into the generation's registry. */
export function createSetup(registry: Registry, context: SetupContext): Setup {
  const { plugin, index, scope } = context;
  return {
    log: context.log,
    mode: context.mode,
    signal: context.signal,
    provide(kind, name, service) {
      context.services.provide(kind, name, service, plugin, index);
    },
    inner(kind, given) {
      const services = registry.inner.get(given)?.all(kind) ?? new Map();
      for (const service of services.values()) return service;
      throw configError(plugin, index, `was given plugin ${given.name}, which provides no ${kind}`);
    },
    use: (kind, name) => scope.services.use(kind, name, plugin, index),
    useAll: (kind) => scope.services.useAll(kind, plugin, index),
    pool: (name = "default") => registry.pool(name),
    pools: () => registry.pools(),
    createRoute: (options) => registry.createRoute(options, plugin, index, scope),
    reporter: (name) => registry.reporter(name),
    needs: ({ body }) => scope.needBody(body),
    slot: (name) => toSlot(registry.slot(name)),
    keep: context.keep,
    route(method, path, handler) {
      scope.addControlRoute({ method, path, handler, plugin }, index);
    },
    every(interval, task, options) {
      registry.tasks.push({ ...options, interval, task, plugin });
    },
    onReady: (task) => void registry.ready.push({ plugin, task }),
    onClose: (task) => void registry.closing.push({ plugin, task }),
    watchFile: (path) => void registry.files.add(path),
    attempt: (x, target, options) => extraAttempt(x, target, options, plugin),
    abandon: abandonAttempt,
    hedge,
    early: answerEarly,
    status: context.status,
    reload: context.reload,
    config: context.config,
    explain: context.explain,
    random: context.random,
    onLink: (task) => void registry.onLink.push({ plugin, task }),
    problem(problem) {
      registry.problem({ ...problem, path: context.path + problem.path }, plugin, index);
    },
  };
}

function toSlot<T>(index: number): Slot<T> {
  return {
    get: (x: Exchange) => (x as ActiveExchange).slots?.[index] as T | undefined,
    set(x: Exchange, value: T) {
      ((x as ActiveExchange).slots ??= [])[index] = value;
    },
  };
}

/** The hooks of a plugin as they are registered; an unknown phase is refused by name. */
export function toHooks(map: HookMap, plugin: string, index: number): RegisteredHook[] {
  return Object.entries(map).flatMap(([phase, hook]) => {
    if (hook === undefined) return [];
    if (!phases.includes(phase as HookName)) {
      const near = suggest(phase, phases);
      throw configError(
        plugin,
        index,
        `returns a hook "${phase}"`,
        near === undefined ? `phases: ${phases.join(", ")}` : `did you mean "${near}"?`,
      );
    }
    const { handler, before = [], after = [] } = typeof hook === "function" ? { handler: hook } : hook;
    if (typeof handler !== "function") throw configError(plugin, index, `hook "${phase}" is not a function`);
    return [{ phase: phase as HookName, plugin, index, handler, before, after }];
  });
}
