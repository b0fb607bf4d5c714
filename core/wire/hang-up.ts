import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

const lingerMs = 1_000;
const resetDelayMs = 5;

/**
 * Ends a response while the client may still be sending: what it sends is thrown away for a second, because closing
 * with unread bytes makes the kernel send a reset, which can take the answer with it.
 */
export function lingerThenEnd(req: IncomingMessage, res: ServerResponse, body: Uint8Array | undefined): void {
  if (body !== undefined && body.length > 0) res.write(body);
  else res.flushHeaders();
  const end = (): void => {
    clearTimeout(timer);
    if (!res.writableEnded) res.end();
  };
  const timer = setTimeout(end, lingerMs);
  req.once("end", end).once("close", end);
  req.resume();
}

/**
 * Ends the connection so that the client cannot take the response for whole: what was written is flushed, but the
 * terminator of a chunked body never comes. A body that only the close delimits (not `delimited`) is reset; so is a chunked one
 * whose head said `Connection: close`, because there are clients that take any end for the end.
 */
export function hangUp(req: IncomingMessage, res: ServerResponse, delimited: boolean): void {
  const { socket } = res;
  // Answers to earlier pipelined requests are still in the way: nothing of this one was sent.
  if (socket === null || socket.destroyed) return void (req.socket.destroyed || req.socket.destroy());
  // Node writes a chunk at the end of the tick.
  process.nextTick(() => {
    if (socket.destroyed) return;
    if (delimited) return socket.destroySoon();
    // A reset in the tick of the write would throw away what the client has yet to get.
    socket.write("", () => setTimeout(reset, resetDelayMs, socket));
  });
}

/**
 * Node cannot reset what is encrypted: there it is an end without the word that TLS has for one. Nor can it while a FIN is on
 * its way out: libuv refuses that, and the socket would never be closed.
 */
export function reset(socket: Socket): void {
  if ("encrypted" in socket || (socket.writableEnded && !socket.writableFinished)) socket.destroy();
  else socket.resetAndDestroy();
}
