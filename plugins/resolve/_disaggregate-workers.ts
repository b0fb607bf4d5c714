import type { Route, Setup, Snapshot, Target } from "../../core/index.ts";

export type Protocol = "nixl" | "sglang";

/** What a target says of its part in the two phases. */
export interface Worker {
  readonly role: "prefill" | "decode" | "unified";
  readonly protocol: Protocol;
  /** Of a prefill target of SGLang. */
  readonly bootstrapHost: string;
  readonly bootstrapPort: number | null;
  /** What is wrong with what it says; it counts as unified. */
  readonly fault: string | undefined;
}

/** Targets that can pass work to each other: of one protocol, and asked for one model. */
export interface Pair {
  readonly key: string;
  readonly protocol: Protocol;
  readonly prefill: readonly Target[];
  readonly decode: readonly Target[];
}

/** The targets of a route by their roles. */
export interface Partition {
  readonly pairs: ReadonlyMap<string, Pair>;
  readonly unified: readonly Target[];
  /** Those that take requests of one phase from vLLM's API: a decode target of SGLang refuses them. */
  readonly alone: readonly Target[];
  readonly decode: readonly Target[];
  /** All but those that only do the first phase. */
  readonly ordinary: readonly Target[];
}

export interface Workers {
  of(target: Target): Worker;
  /** Undefined where no target has a role. The same for the same array. */
  partition(targets: readonly Target[]): Partition | undefined;
  isDecodeOf(target: Target | undefined, pair: string): boolean;
  /** Whether any target of the route's pool has one, up or down. */
  concerns(route: Route): boolean;
}

export function createWorkers(bootstrapPort: number | null): Workers {
  const known = new WeakMap<Target, Worker>();
  const partitions = new WeakMap<readonly Target[], Partition | "none">();
  const snapshots = new WeakMap<Snapshot, boolean>();
  const of = (target: Target): Worker => {
    let worker = known.get(target);
    if (worker === undefined) known.set(target, (worker = toWorker(target, bootstrapPort)));
    return worker;
  };
  const hasRole = (target: Target): boolean => of(target).role !== "unified";
  return {
    of,
    partition(targets) {
      let partition = partitions.get(targets);
      if (partition === undefined) {
        partition = targets.some(hasRole) ? toPartition(targets, of) : "none";
        partitions.set(targets, partition);
      }
      return partition === "none" ? undefined : partition;
    },
    isDecodeOf: (target, pair) =>
      target !== undefined && of(target).role === "decode" && keyOf(target, of(target)) === pair,
    concerns({ pool: { snapshot } }) {
      let found = snapshots.get(snapshot);
      if (found === undefined) snapshots.set(snapshot, (found = snapshot.all.some(hasRole)));
      return found;
    },
  };
}

/** Once per proxy and fault, not at each reload or `explain`. */
export function warnOfFaults(proxy: Setup, workers: Workers): void {
  const told = proxy.keep("told", () => new Set<string>());
  const look = (target: Target): void => {
    const { fault } = workers.of(target);
    const warning = `target ${target.id} ${fault}; it counts as unified`;
    if (fault === undefined || told.has(warning)) return;
    told.add(warning);
    proxy.log.warn(warning);
  };
  proxy.onLink(() => proxy.pools().forEach((pool) => pool.onChange(({ all }) => all.forEach(look))));
}

function toPartition(targets: readonly Target[], of: (target: Target) => Worker): Partition {
  const only = (accepts: (worker: Worker) => boolean): readonly Target[] =>
    Object.freeze(targets.filter((target) => accepts(of(target))));
  const pairs = new Map<string, Pair>();
  for (const target of targets) {
    const { role, protocol } = of(target);
    const { model } = target;
    const key = keyOf(target, of(target));
    if (role === "unified" || pairs.has(key)) continue;
    const members = (wanted: Worker["role"]): readonly Target[] =>
      Object.freeze(
        targets.filter((each) => each.model === model && of(each).role === wanted && of(each).protocol === protocol),
      );
    pairs.set(key, { key, protocol, prefill: members("prefill"), decode: members("decode") });
  }
  return {
    pairs,
    unified: only(({ role }) => role === "unified"),
    alone: only(({ role, protocol }) => role === "decode" && protocol === "nixl"),
    decode: only(({ role }) => role === "decode"),
    ordinary: only(({ role }) => role !== "prefill"),
  };
}

function keyOf({ model }: Target, { protocol }: Worker): string {
  return model === undefined ? protocol : `${protocol} ${model}`;
}

function toWorker(target: Target, otherwise: number | null): Worker {
  const role = wordOf(target, "role") ?? "unified";
  const protocol = wordOf(target, "protocol") ?? "nixl";
  const port = wordOf(target, "bootstrapPort");
  const bootstrapPort = port === undefined ? otherwise : toPort(port);
  const fault = faultOf({ role, protocol, port, bootstrapPort });
  return {
    role: fault === undefined ? (role as Worker["role"]) : "unified",
    protocol: protocol === "sglang" ? "sglang" : "nixl",
    bootstrapHost: new URL(target.origin).hostname,
    bootstrapPort: bootstrapPort ?? null,
    fault,
  };
}

/** Registries and files carry labels, which are words; what the config says of a target counts for more. */
function wordOf({ meta, labels }: Target, name: string): unknown {
  return Object.hasOwn(meta, name) ? meta[name] : Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** Undefined for what is none. */
function toPort(said: unknown): number | null | undefined {
  if (said === null || said === "none") return null;
  const port = typeof said === "string" && /^\d+$/.test(said) ? Number(said) : said;
  return typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

interface Said {
  readonly role: unknown;
  readonly protocol: unknown;
  readonly port: unknown;
  readonly bootstrapPort: number | null | undefined;
}

function faultOf({ role, protocol, port, bootstrapPort }: Said): string | undefined {
  if (role !== "prefill" && role !== "decode" && role !== "unified")
    return `has the role ${JSON.stringify(role)}; use prefill, decode or unified`;
  if (role === "unified") return undefined;
  if (protocol !== "nixl" && protocol !== "sglang")
    return `has the protocol ${JSON.stringify(protocol)}; use nixl or sglang`;
  if (bootstrapPort === undefined)
    return `has the bootstrapPort ${JSON.stringify(port)}; use a number from 1 to 65535, or null`;
  return undefined;
}
