import type { Socket } from "node:net";

/** Settles when the kernel has the bytes, or the socket is closed; strings are latin1. */
export function writeBytes(socket: Socket, bytes: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    // A peer that is gone is an ending, seen by the reader; the callback alone would leave the writer hanging.
    socket.once("close", resolve);
    socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, () => {
      socket.off("close", resolve);
      resolve();
    });
  });
}
