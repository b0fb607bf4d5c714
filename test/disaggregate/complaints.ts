import type { Received } from "./received.ts";

/** Something a worker got that it should not have got. */
export interface Complaint {
  readonly worker: string;
  readonly field: string;
  readonly expected: string;
  readonly got: string;
}

export type Complain = (by: Pick<Received, "worker">, field: string, expected: string, got: string) => void;

export function toText({ worker, field, expected, got }: Complaint): string {
  return `${worker}: ${field}: expected ${cut(expected)}, got ${cut(got)}`;
}

/** Fails with one line each. */
export function refuse(complaints: readonly Complaint[]): void {
  if (complaints.length === 0) return;
  throw new Error(`${complaints.length} complaint(s):\n${complaints.map((each) => `- ${toText(each)}`).join("\n")}`);
}

function cut(text: string): string {
  return text.length <= 400 ? text : `${text.slice(0, 400)}…`;
}
