import type { IncomingHttpHeaders } from "node:http";
import type { Member } from "./members.ts";

export type Role = "prefill" | "decode" | "unified";
export type Protocol = "nixl" | "sglang";

/** One line of a worker's transcript. */
export interface Received {
  readonly worker: string;
  readonly role: Role;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  readonly members: readonly Member[];
  /** As the body means it. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly requestId: string | undefined;
  /** Number of the client's request, where `room.clients` sent it. */
  readonly client: string | undefined;
  /** `left`: the connection was closed before the answer was out. */
  end: "open" | "answered" | "left";
}
