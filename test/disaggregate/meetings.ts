import { type Deferred, deferred } from "../wire/waiting.ts";
import type { Complain } from "./complaints.ts";
import type { Received } from "./received.ts";

/** A prefill and a decode worker that were given the same `bootstrap_room`. */
export interface Meeting {
  readonly rooms: readonly string[];
  prefill: Received | undefined;
  decode: Received | undefined;
  /** Both are here. */
  readonly met: Deferred;
  /** The prefill worker has handed its cache over. */
  readonly transferred: Deferred;
}

export interface Meetings {
  readonly all: readonly Meeting[];
  /** Those that the other side never came to. */
  lone(): readonly Meeting[];
  join(received: Received, rooms: readonly string[]): Meeting;
}

export function createMeetings(complain: Complain): Meetings {
  const all: Meeting[] = [];
  const byRoom = new Map<string, Meeting>();
  return {
    all,
    lone: () => all.filter(({ prefill, decode }) => prefill === undefined || decode === undefined),
    join(received, rooms) {
      const side = received.role === "prefill" ? "prefill" : "decode";
      const known = rooms.map((room) => byRoom.get(room));
      const waiting = known[0];
      const joins = waiting !== undefined && waiting[side] === undefined;
      if (joins ? known.some((each) => each !== waiting) : known.some((each) => each !== undefined)) {
        complain(received, "bootstrap_room", "a number of its own for each request", rooms.join(", "));
      }
      const meeting = joins ? waiting : create(rooms);
      if (!joins) all.push(meeting);
      for (const room of rooms) byRoom.set(room, meeting);
      meeting[side] = received;
      if (meeting.prefill !== undefined && meeting.decode !== undefined) {
        compare(meeting.prefill, meeting.decode, complain);
        meeting.met.resolve();
      }
      return meeting;
    },
  };
}

function create(rooms: readonly string[]): Meeting {
  return { rooms, prefill: undefined, decode: undefined, met: deferred(), transferred: deferred() };
}

/** The bodies are one body. */
function compare(prefill: Received, decode: Received, complain: Complain): void {
  if (!prefill.body.equals(decode.body)) {
    complain(decode, "body", `the same as ${prefill.worker} got: ${prefill.text}`, decode.text);
  }
  if (prefill.path !== decode.path) complain(decode, "path", prefill.path, decode.path);
  if (prefill.requestId !== decode.requestId) {
    complain(decode, "x-request-id", String(prefill.requestId), String(decode.requestId));
  }
}
