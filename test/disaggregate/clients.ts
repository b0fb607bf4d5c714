import { fetch as undiciFetch } from "undici";
import type { Complain } from "./complaints.ts";
import { type Member, membersOf, toJson } from "./members.ts";
import type { Received } from "./received.ts";

/** Goes with a client's request through the proxy, so that a worker knows what the client had sent. */
export const clientHeader = "client-request";

export interface Sent {
  readonly id: string;
  readonly path: string;
  readonly members: readonly Member[];
  readonly json: Readonly<Record<string, unknown>>;
  /** It left. */
  gone: boolean;
  /** It was answered with an error, or not at all. */
  failed: boolean;
}

/** What clients sent, to be compared with what workers get. */
export interface Clients {
  /** Writes down what is about to be sent; with the answered id in the header `client-request`. */
  send(path: string, body: string): Sent;
  /** Does so for each POST, also when it is given to a client library. */
  readonly fetch: typeof fetch;
  of(received: Received): Sent | undefined;
  byId(id: string | undefined): Sent | undefined;
}

/** In Node's own (20.20) a read never settles when its client leaves while the end of the body is at hand. */
const request = undiciFetch as unknown as typeof fetch;

export function createClients(): Clients {
  const all = new Map<string, Sent>();
  const send = (path: string, body: string): Sent => {
    const [id, members] = [String(all.size + 1), membersOf(body)];
    const sent: Sent = { id, path, members, json: toJson(members, body), gone: false, failed: false };
    all.set(sent.id, sent);
    return sent;
  };
  return {
    send,
    of: (received) => all.get(received.client ?? ""),
    byId: (id) => all.get(id ?? ""),
    async fetch(input, init) {
      if (init?.method?.toUpperCase() !== "POST" || typeof init.body !== "string") return request(input, init);
      const { pathname, search } = new URL(input instanceof Request ? input.url : input);
      const sent = send(pathname + search, init.body);
      const headers = new Headers(init.headers);
      headers.set(clientHeader, sent.id);
      const leave = (): boolean => (sent.gone = true);
      if (init.signal?.aborted === true) leave();
      init.signal?.addEventListener("abort", leave);
      try {
        const response = await request(input, { ...init, headers: Object.fromEntries(headers) });
        sent.failed = !response.ok;
        return response;
      } catch (error) {
        sent.failed = true;
        throw error;
      }
    },
  };
}

/** Complains of the first member that is not, letter by letter, the client's; names in `except` are not looked at. */
export function compareMembers(got: Received, sent: Sent, except: ReadonlySet<string>, complain: Complain): void {
  const rest = (members: readonly Member[]): Member[] => members.filter(({ name }) => !except.has(name));
  const wanted = rest(sent.members);
  const found = rest(got.members);
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    const expected = spelt(wanted[i]);
    const actual = spelt(found[i]);
    if (expected !== actual) return complain(got, (wanted[i] ?? found[i])!.name, expected, actual);
  }
}

function spelt(member: Member | undefined): string {
  return member === undefined ? "nothing" : `${member.key}:${member.value}`;
}
