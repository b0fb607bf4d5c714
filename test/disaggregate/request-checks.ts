import type { EngineRoom } from "./engine-room.ts";
import { compareMembers } from "./clients.ts";
import { valuesOf } from "./members.ts";
import type { Received } from "./received.ts";

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

export const bootstrapMembers: readonly string[] = ["bootstrap_host", "bootstrap_port", "bootstrap_room"];
export const handleMembers: readonly string[] = ["kv_transfer_params", ...bootstrapMembers];

/** What makes an engine or a sidecar dial an address that a client chose. */
const handleHeaders = ["x-prefiller-host-port", "x-prefiller-url", "x-data-parallel-rank"];

/** Path, and headers that no client may choose. */
export function checkHead(room: EngineRoom, got: Received): void {
  const sent = room.clients.of(got);
  if (got.method !== "POST") room.complain(got, "method", "POST", got.method);
  if (sent !== undefined && sent.path !== got.path) room.complain(got, "path", sent.path, got.path);
  if (room.options.trusted === true) return;
  for (const name of handleHeaders) {
    const value = got.headers[name];
    if (value !== undefined) room.complain(got, name, "nothing", String(value));
  }
}

/** One plain uuid for both phases, and another for each client request. */
export function checkRequestId(room: EngineRoom, got: Received): void {
  const id = got.requestId ?? "nothing";
  if (room.options.anyRequestId !== true && !uuid.test(id)) room.complain(got, "x-request-id", "a uuid", id);
  const first = room.events.find(({ requestId }) => requestId !== undefined && requestId === got.requestId);
  if (got.client !== undefined && first !== undefined && first.client !== got.client) {
    room.complain(got, "x-request-id", "one of its own", `that of client request ${first.client}`);
  }
}

export function expectAbsent(room: EngineRoom, got: Received, names: readonly string[]): void {
  for (const name of names) {
    const values = valuesOf(got.members, name);
    if (values.length > 0) room.complain(got, name, "nothing", values.join(" and "));
  }
}

/** Everything but these members is what the client sent, letter by letter. */
export function expectUnchanged(room: EngineRoom, got: Received, except: readonly string[] = []): void {
  const sent = room.clients.of(got);
  if (sent === undefined) return;
  const { rewritten = [] } = room.options;
  compareMembers(got, sent, new Set([...except, ...handleMembers, ...rewritten]), room.complain);
}
