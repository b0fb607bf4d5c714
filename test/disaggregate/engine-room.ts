import { type Clients, createClients } from "./clients.ts";
import { type Complain, type Complaint, refuse } from "./complaints.ts";
import { createLeases, type Lease, type Leases } from "./leases.ts";
import { createMeetings, type Meetings } from "./meetings.ts";
import type { Received, Role } from "./received.ts";

export type Happening = "arrived" | "handed out" | "pulled" | "released" | "answered" | "left";

export interface RoomEvent {
  readonly worker: string;
  readonly role: Role;
  readonly what: Happening;
  readonly requestId: string | undefined;
  readonly client: string | undefined;
}

export interface RoomOptions {
  /** Milliseconds: the clock of the leases. @default performance.now */
  readonly now?: () => number;
  /** Members that a plugin of the proxy rewrites, such as `model`. @default none */
  readonly rewritten?: readonly string[];
  /** Request ids of trusted clients need not be uuids. @default false */
  readonly anyRequestId?: boolean;
  /** Handles that clients bring are passed on, as the proxy was told to trust them. @default false */
  readonly trusted?: boolean;
}

/** What the workers of one test know together. */
export interface EngineRoom {
  readonly options: RoomOptions;
  readonly now: () => number;
  readonly clients: Clients;
  readonly leases: Leases;
  readonly meetings: Meetings;
  readonly complaints: readonly Complaint[];
  /** In the order of time. */
  readonly events: readonly RoomEvent[];
  complain: Complain;
  note(what: Happening, received: Received): void;
  /** Called with each event, as it happens. */
  watch(watcher: (event: RoomEvent, received: Received) => void): void;
  /** Handles that were handed out, and neither pulled nor released, by workers that live. */
  lost(): readonly Lease[];
  /** Fails with a list; `mayBeLost`: handles that cannot but be lost, such as those on the way to a worker that was killed. */
  expectNoComplaints(mayBeLost?: (lease: Lease) => boolean): void;
}

export function engineRoom(options: RoomOptions = {}): EngineRoom {
  const now = options.now ?? (() => performance.now());
  const complaints: Complaint[] = [];
  const events: RoomEvent[] = [];
  const watchers: ((event: RoomEvent, received: Received) => void)[] = [];
  const clients = createClients();
  const leases = createLeases(now);
  const complain: Complain = ({ worker }, field, expected, got) => {
    complaints.push({ worker, field, expected, got });
  };
  const lost = (): Lease[] => leases.all.filter(({ state }) => state === "held");
  return {
    options,
    now,
    clients,
    leases,
    meetings: createMeetings(complain),
    complaints,
    events,
    complain,
    note(what, received) {
      const { worker, role, requestId, client } = received;
      const event: RoomEvent = { worker, role, what, requestId, client };
      events.push(event);
      for (const watcher of watchers) watcher(event, received);
    },
    watch: (watcher) => void watchers.push(watcher),
    lost,
    expectNoComplaints(mayBeLost = () => false) {
      const unpulled = lost().filter((lease) => !mayBeLost(lease));
      const needless = leases.all.filter((lease) => lease.state === "released" && !mayRelease(clients, lease));
      refuse([...complaints, ...unpulled.map(toLoss), ...needless.map(toNeedless)]);
    },
  };
}

/** Known only now: the client leaves, or is told of an error, before or after the release arrives. */
function mayRelease(clients: Clients, { client }: Lease): boolean {
  const sent = clients.byId(client);
  return sent === undefined || sent.gone || sent.failed;
}

function toLoss({ worker, text }: Lease): Complaint {
  return { worker, field: "kv_transfer_params", expected: "pulled or released", got: `a lost handle: ${text}` };
}

function toNeedless({ worker, client }: Lease): Complaint {
  const expected = "pulled, as its client neither left nor was refused";
  return { worker, field: "kv_transfer_params", expected, got: `released (client request ${client})` };
}
