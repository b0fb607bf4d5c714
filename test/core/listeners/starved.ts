import type { Limits, TargetStats } from "plugboard";
import { limitedProcess } from "./limited-process.ts";

interface Answers {
  /** It takes all descriptors that are left; it lets go of them. */
  fill: unknown;
  free: unknown;
  target: TargetStats & { readonly available: number };
}

/** A proxy whose process may have few file descriptors. */
export interface Starved {
  readonly port: number;
  /** What it logged. */
  readonly lines: readonly string[];
  order<K extends keyof Answers>(order: K): Promise<Answers[K]>;
}

export function starved(descriptors: number, upstream: string, limits: Limits = {}): Promise<Starved> {
  const program = new URL("starved-proxy.mjs", import.meta.url);
  return limitedProcess(program, [JSON.stringify(limits), upstream], { descriptors }) as Promise<Starved>;
}
