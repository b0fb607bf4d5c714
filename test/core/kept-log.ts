import { inspect } from "node:util";
import { type ConsolaInstance, createConsola } from "consola";

export interface KeptLog {
  readonly log: ConsolaInstance;
  /** `error: plugin x threw ... boom`, one per call. */
  readonly lines: readonly string[];
}

/** A log that a test reads. */
export function keptLog(): KeptLog {
  const lines: string[] = [];
  const log = createConsola({
    level: 5,
    reporters: [{ log: ({ type, args }) => void lines.push(`${type}: ${args.map((part) => toText(part)).join(" ")}`) }],
  });
  return { log, lines };
}

function toText(part: unknown): string {
  return typeof part === "string" ? part : inspect(part);
}
