import type { IncomingMessage, ServerResponse } from "node:http";

/** Streams of events that are open. */
export interface Watchers {
  readonly size: number;
  /** Takes the response over; `over` is asked now and then, and ends it. */
  add(req: IncomingMessage, res: ServerResponse, first: Buffer, over: () => boolean): void;
  send(bytes: Buffer): void;
  /** Ends them in an orderly way; they come again. */
  close(): void;
}

interface Watcher {
  readonly res: ServerResponse;
  readonly over: () => boolean;
  /** Unsent bytes that it may have: at first also those that it began with. */
  allowed: number;
}

const mostUnsent = 8 * 1024 * 1024;
const pingEvery = 15_000;
/** Milliseconds until it is noticed that a proxy drains. */
const lookEvery = 250;
/** Milliseconds in which one that is told to go may read what it was sent. */
const endWithin = 2_000;

export function createWatchers(now: () => number): Watchers {
  const watchers = new Set<Watcher>();
  let looking: NodeJS.Timeout | undefined;
  let pinged = now();

  function send(bytes: Buffer): void {
    for (const watcher of watchers) sendTo(watcher, bytes);
  }

  function look(): void {
    for (const watcher of watchers) if (watcher.over()) end(watcher);
    if (now() - pinged < pingEvery) return;
    pinged = now();
    send(ping);
  }

  function end(watcher: Watcher): void {
    const { res } = watcher;
    leave(watcher);
    res.end();
    // One that reads nothing would hold up what waits for the last exchange.
    const late = setTimeout(() => res.destroy(), endWithin).unref();
    res.once("close", () => clearTimeout(late));
  }

  function leave(watcher: Watcher): void {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(looking);
    looking = undefined;
  }

  return {
    get size() {
      return watchers.size;
    },
    add(req, res, first, over) {
      const watcher: Watcher = { res, over, allowed: mostUnsent + first.length };
      const gone = (): void => leave(watcher);
      res.on("close", gone);
      res.on("error", gone);
      // A response without a socket does not tell when its reader leaves.
      req.socket.on("close", gone);
      watchers.add(watcher);
      res.write(first);
      looking ??= setInterval(look, lookEvery).unref();
    },
    send,
    close() {
      for (const watcher of watchers) end(watcher);
    },
  };
}

const ping = Buffer.from(": ping\n\n");

function sendTo(watcher: Watcher, bytes: Buffer): void {
  const { res } = watcher;
  if (res.writableLength <= mostUnsent) watcher.allowed = mostUnsent;
  // It does not keep up. It comes again, and is then told all at once.
  if (res.writableLength > watcher.allowed) res.destroy();
  else res.write(bytes);
}
