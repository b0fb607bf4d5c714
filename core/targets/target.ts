import type { Target } from "../contract/target.ts";
import type { LedgerEntry } from "./ledger.ts";

/** A target with its ledger entry; all are of this one shape, so that reading one is fast. */
export class PoolTarget implements Target {
  readonly id: string;
  readonly origin: string;
  readonly basePath: string;
  readonly weight: number;
  readonly models: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly live: LedgerEntry;
  /** Milliseconds an idle connection is kept. */
  readonly keepAlive: number;
  readonly maxConnections: number;

  constructor(fields: Omit<PoolTarget, "toJSON">) {
    this.id = fields.id;
    this.origin = fields.origin;
    this.basePath = fields.basePath;
    this.weight = fields.weight;
    this.models = fields.models;
    this.labels = fields.labels;
    this.meta = fields.meta;
    this.live = fields.live;
    this.keepAlive = fields.keepAlive;
    this.maxConnections = fields.maxConnections;
    Object.freeze(this);
  }
}

/**
 * Makes a second face of a target for one route: another weight, the same identity, counters and connections.
 * For the `candidates` of a route whose configuration weighs targets by itself.
 */
export function viewTarget(target: Target, changes: { readonly weight: number }): Target {
  return new PoolTarget({ ...(target as PoolTarget), weight: changes.weight });
}
