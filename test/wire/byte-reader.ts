import type { Socket } from "node:net";
import { byteQueue } from "./byte-queue.ts";

/** How the other side ended a connection: a FIN, or an RST. */
export type Ending = "fin" | "reset";

/** The connection ended before what was asked for had come. */
export class ConnectionEnded extends Error {
  readonly how: Ending;

  constructor(how: Ending, wanted: string, unread: Buffer) {
    const rest = unread.length === 0 ? "" : `; unread: ${JSON.stringify(unread.toString("latin1").slice(0, 500))}`;
    super(`the connection ended (${how}) while waiting for ${wanted}${rest}`);
    this.name = "ConnectionEnded";
    this.how = how;
  }
}

/** What a socket received, read with awaits in the order it came. */
export interface ByteReader {
  /** Everything received so far, read or not. */
  readonly received: Buffer;
  /** Settles when the other side is done sending. */
  readonly ending: Promise<Ending>;
  /** The next line, which must end in CRLF and hold no other CR or LF; returned without it. */
  line(): Promise<string>;
  take(count: number): Promise<Buffer>;
  /** What is there, at least one byte and at most `limit`; undefined when the other side is done. */
  some(limit: number): Promise<Buffer | undefined>;
  /** `performance.now()` when the last byte read had arrived. */
  arrivedAt(): number;
}

/** Collects what a socket receives, and how that ended. */
function collect(socket: Socket, changed: () => void) {
  const queue = byteQueue();
  const pieces: Buffer[] = [];
  const arrivals: { readonly total: number; readonly at: number }[] = [];
  const state: { total: number; ended: Ending | undefined } = { total: 0, ended: undefined };
  socket.on("data", (bytes: Buffer) => {
    queue.push(bytes);
    pieces.push(bytes);
    state.total += bytes.length;
    arrivals.push({ total: state.total, at: performance.now() });
    changed();
  });
  const ending = new Promise<Ending>((resolve) => {
    const end = (how: Ending): void => {
      state.ended ??= how;
      resolve(state.ended);
      changed();
    };
    socket.on("end", () => end("fin"));
    socket.on("error", () => end("reset"));
    socket.on("close", () => end("reset"));
  });
  return { queue, pieces, arrivals, state, ending };
}

export function readBytes(socket: Socket): ByteReader {
  let waiting: (() => void)[] = [];
  const { queue, pieces, arrivals, state, ending } = collect(socket, () => {
    for (const wake of waiting.splice(0)) wake();
  });
  const change = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));

  /** False when the other side ended before it was ready. */
  const settles = async (ready: () => boolean): Promise<boolean> => {
    for (; !ready(); await change()) if (state.ended !== undefined) return false;
    return true;
  };
  const until = async (ready: () => boolean, wanted: string): Promise<void> => {
    if (!(await settles(ready))) throw new ConnectionEnded(await ending, wanted, queue.take(queue.length));
  };
  return {
    get received() {
      return Buffer.concat(pieces);
    },
    ending,
    async line() {
      await until(() => queue.lineLength() > 0, "a line");
      const line = queue.take(queue.lineLength()).toString("latin1");
      if (!/^[^\r\n]*\r\n$/.test(line)) throw new Error(`not one CRLF line: ${JSON.stringify(line)}`);
      return line.slice(0, -2);
    },
    async take(count) {
      await until(() => queue.length >= count, `${count} bytes`);
      return queue.take(count);
    },
    async some(limit) {
      return (await settles(() => queue.length > 0)) ? queue.take(Math.min(limit, queue.length)) : undefined;
    },
    arrivedAt: () => arrivals.find(({ total }) => total >= state.total - queue.length)?.at ?? performance.now(),
  };
}
