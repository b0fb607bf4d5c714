import type { Socket } from "node:net";

/**
 * Drops a connection. While a FIN is on its way out libuv refuses the reset, and Node then never closes the socket: nobody is
 * told, and the descriptor is lost.
 */
export function reset(socket: Socket | null): void {
  if (socket === null) return;
  const isEnding = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished;
  if (isEnding) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
