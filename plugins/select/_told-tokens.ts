/** What the plugins that read answers write into the slot `usage`. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
}

/** More than any answer has: what an upstream tells beyond it is not a count. */
const most = 1e12;

/** A count that an upstream told; 0 for anything that cannot be one. */
export function toTokens(told: unknown): number {
  return typeof told === "number" && told >= 0 && told <= most ? told : 0;
}

/** What one more answer makes of the usual number of tokens: exponentially weighted, 1/8 per answer, as core's times. */
export function follow(usual: number, tokens: number): number {
  return usual === 0 ? tokens : usual + (tokens - usual) / 8;
}
