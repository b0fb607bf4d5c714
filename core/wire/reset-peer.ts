import type { Socket } from "node:net";

interface Handle {
  getpeername?(into: object): number;
}

/**
 * Whether the other end has reset the connection. A socket that is not read from does not hear of it; but the kernel no
 * longer knows a peer then (ENOTCONN), which Node asks it for without a public name. False where it cannot be told.
 */
export function isReset(socket: Socket): boolean {
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null };
  return !socket.destroyed && (handle?.getpeername?.({}) ?? 0) < 0;
}
