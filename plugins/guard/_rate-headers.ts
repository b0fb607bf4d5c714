import type { ServerResponse } from "node:http";
import type { UpstreamHead } from "../../core/index.ts";
import type { RateKind, Taken } from "./_rate-windows.ts";

const kinds: readonly RateKind[] = ["requests", "tokens"];

const names: ReadonlyMap<RateKind, readonly [limit: string, remaining: string, reset: string]> = new Map(
  kinds.map((kind) => [
    kind,
    [`x-ratelimit-limit-${kind}`, `x-ratelimit-remaining-${kind}`, `x-ratelimit-reset-${kind}`],
  ]),
);

/** Tells of each kind the limit that is nearest, as OpenAI does (https://platform.openai.com/docs/guides/rate-limits). */
export function showLimits(res: ServerResponse, all: readonly Taken[], time: number): void {
  for (const [kind, [limit, remaining, reset]] of names) {
    const nearest = nearestOf(all, kind);
    if (nearest === undefined) continue;
    res.setHeader(limit, String(nearest.claim.most));
    res.setHeader(remaining, String(remainingOf(nearest)));
    res.setHeader(reset, toDuration(nearest.ends - time));
  }
}

/** Those of the upstream tell of the account there, which is no client's business. */
export function dropShown(res: ServerResponse, { headers }: UpstreamHead): void {
  for (const [limit, remaining, reset] of names.values()) {
    if (!res.hasHeader(limit)) continue;
    delete headers[limit];
    delete headers[remaining];
    delete headers[reset];
  }
}

export function remainingOf({ claim: { most }, used }: Taken): number {
  return Math.max(0, most - used);
}

function nearestOf(all: readonly Taken[], kind: RateKind): Taken | undefined {
  let nearest: Taken | undefined;
  for (const each of all) if (each.claim.meter.kind === kind && isNearer(each, nearest)) nearest = each;
  return nearest;
}

function isNearer(one: Taken, other: Taken | undefined): boolean {
  if (other === undefined) return true;
  return one.fits === other.fits ? remainingOf(one) < remainingOf(other) : other.fits;
}

/** As Go writes them, and OpenAI: `6m0s`, `1.5s`, `120ms`. */
export function toDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  if (whole < 1_000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor(whole / 60_000) % 60;
  const seconds = (whole % 60_000) / 1_000;
  return `${hours > 0 ? `${hours}h` : ""}${hours + minutes > 0 ? `${minutes}m` : ""}${seconds}s`;
}
