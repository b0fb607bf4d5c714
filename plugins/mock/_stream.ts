import type { ServerResponse } from "node:http";

export interface Pace {
  /** Milliseconds between two chunks. */
  readonly interval: number;
  /** Chunks after which the connection breaks. */
  readonly cutAfter: number | undefined;
}

// Bytes written in the tick of a destroy never leave the machine.
const beforeCut = 5;

/** Writes a stream no faster than the client takes it, and ends early when the client leaves. */
export async function sendEvents(res: ServerResponse, events: Iterable<string>, pace: Pace): Promise<void> {
  res.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  });
  res.flushHeaders();
  let sent = 0;
  for (const event of events) {
    if (sent > 0 && !(await pause(res, pace.interval))) return;
    sent++;
    if (sent === pace.cutAfter) return cut(res, event);
    if (!res.write(event)) await drained(res);
    if (res.destroyed) return;
  }
  res.end();
}

/** Sends a whole answer; with `cutAfter` only its first half, under the length of the whole. */
export async function sendJson(res: ServerResponse, status: number, body: unknown, cutAfter?: number): Promise<void> {
  const text = Buffer.from(JSON.stringify(body));
  res.writeHead(status, { "content-type": "application/json", "content-length": text.length });
  if (cutAfter === undefined) res.end(text);
  else await cut(res, text.subarray(0, text.length >> 1));
}

/** Waits; false if the client left first. */
export function pause(res: ServerResponse, milliseconds: number): boolean | Promise<boolean> {
  if (res.destroyed || milliseconds <= 0) return !res.destroyed;
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    res.once("close", done);
    function done(): void {
      clearTimeout(timer);
      res.off("close", done);
      resolve(!res.destroyed);
    }
  });
}

async function cut(res: ServerResponse, last: string | Buffer): Promise<void> {
  await orClosed(res, (done) => res.write(last, done));
  await pause(res, beforeCut);
  res.destroy();
}

function drained(res: ServerResponse): Promise<void> {
  return orClosed(res, (done) => res.once("drain", done));
}

function orClosed(res: ServerResponse, wait: (done: () => void) => unknown): Promise<void> {
  return new Promise((resolve) => {
    if (res.destroyed) resolve();
    res.once("close", done);
    wait(done);
    function done(): void {
      res.off("close", done);
      res.off("drain", done);
      resolve();
    }
  });
}
