import { textOf } from "../errors.ts";
/** Why a port cannot be had, in words. */
export function explainListening(error: unknown, { host, port }: { host: string; port: number }): string {
  if (isListenError(error)) return explainListening(error.cause, error);
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return `port ${port} is in use`;
    case "EACCES":
      return `port ${port} is not for this user`;
    case "EADDRNOTAVAIL":
      return `${host} is no address of this machine`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the host name ${host} leads nowhere`;
    default:
      return textOf(error);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** A listener of the config that cannot have its port. */
export class ListenError extends Error {
  readonly listener: string;
  readonly host: string;
  readonly port: number;
  readonly code: unknown;

  constructor(listener: string, { host, port }: { host: string; port: number }, cause: unknown) {
    super(`listener ${listener}: ${explainListening(cause, { host, port })}`, { cause });
    this.name = "ListenError";
    this.listener = listener;
    this.host = host;
    this.port = port;
    this.code = codeOf(cause);
  }
}

export function isListenError(error: unknown): error is ListenError {
  return error instanceof Error && error.name === "ListenError" && "listener" in error;
}
