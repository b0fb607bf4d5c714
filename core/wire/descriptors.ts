import { closeSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";

/*
 * File descriptors are the process's, and so is what is known of them here. A connection that cannot have one is closed
 * by libuv before Node hears of it: whoever wants to tell of that has to look.
 */

let limit: number | undefined;

/** How many the process may have; Infinity where that is not known, which is everywhere but on Linux. Read once. */
export function descriptorLimit(): number {
  return (limit ??= readLimit());
}

/** Client connections that leave room for as many to upstreams, and for files: Envoy's advice is less than half. */
export function connectionsFor(descriptors: number): number {
  return Number.isFinite(descriptors) ? Math.max(1, Math.floor(descriptors * 0.45)) : 0;
}

/** How many the process has; undefined where that is not known. */
export function openDescriptors(): number | undefined {
  try {
    // Since Linux 6.2 the size is the count, and nothing has to be listed.
    return statSync("/proc/self/fd").size || readdirSync("/proc/self/fd").length - 1;
  } catch (error) {
    return isShortage(codeOf(error)) ? descriptorLimit() : undefined;
  }
}

/** Whether the process cannot have one more. */
export function areDescriptorsUsedUp(): boolean {
  try {
    closeSync(openSync("/dev/null", "r"));
    return false;
  } catch (error) {
    return isShortage(codeOf(error));
  }
}

const ownShortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM"]);

/** Of a system call that failed for what this side has too little of, whomever it was for. */
export function isShortage(code: string): boolean {
  return ownShortages.has(code);
}

/** Connections to upstreams that could not be opened for want of something here, since the process began. */
export const shortages: { count: number; last: string } = { count: 0, last: "" };

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}

function readLimit(): number {
  try {
    const [, soft] = /^Max open files +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    const count = Number(soft);
    return count > 0 ? count : Infinity;
  } catch {
    return Infinity; // No such file: not Linux, or a /proc that is hidden.
  }
}
