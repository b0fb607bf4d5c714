import type { IncomingHttpHeaders } from "node:http";

/** How a mock backend misbehaves. */
export interface MockFault {
  /** Answers with this status and an error, 400 to 599. */
  status?: number;
  /** Breaks the connection after that many stream chunks, or in the middle of a plain answer; 0: before the head. */
  cutAfter?: number;
}

export interface RequestedFault extends MockFault {
  /** Milliseconds to the first byte. */
  delay?: number;
}

/** Faults asked for by `x-mock-status`, `x-mock-cut-after`, `x-mock-delay`; a text if one of them is not a number. */
export function parseFaults(headers: IncomingHttpHeaders): RequestedFault | string {
  const status = parseNumber(headers["x-mock-status"], 400, 599);
  if (Number.isNaN(status)) return "x-mock-status must be a number from 400 to 599";
  const cutAfter = parseNumber(headers["x-mock-cut-after"], 0, 1e6);
  if (Number.isNaN(cutAfter)) return "x-mock-cut-after must be a number of chunks";
  const delay = parseNumber(headers["x-mock-delay"], 0, 1e6);
  if (Number.isNaN(delay)) return "x-mock-delay must be a number of milliseconds";
  return { status, cutAfter, delay };
}

function parseNumber(header: string | string[] | undefined, min: number, max: number): number | undefined {
  if (header === undefined) return undefined;
  const value = /^\d{1,7}$/.test(String(header)) ? Number(header) : Number.NaN;
  return value >= min && value <= max ? value : Number.NaN;
}
