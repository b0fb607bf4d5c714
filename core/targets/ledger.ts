import type { TargetStats, Verdict } from "../contract/target.ts";

/** What core remembers of a target across generations. */
export class LedgerEntry implements TargetStats {
  inflight = 0;
  requests = 0;
  failures = 0;
  ttfb = 0;
  lastFailure = 0;
  /** By reporter. */
  readonly verdicts: Map<string, Verdict> = new Map();
  readonly key: string;

  constructor(key: string) {
    this.key = key;
  }
}
