import type { EngineRoom } from "./engine-room.ts";
import { parsed, valuesOf } from "./members.ts";
import type { Received } from "./received.ts";
import {
  bootstrapMembers,
  checkHead,
  checkRequestId,
  expectAbsent,
  expectUnchanged,
  handleMembers,
} from "./request-checks.ts";

const maxRoom = 2n ** 63n - 1n;
const naturalNumber = /^(0|[1-9]\d*)$/;

/** How an SGLang prefill worker is reached by decode workers. */
export interface Bootstrap {
  readonly host: string;
  readonly port: number | null;
}

/** The same body goes to both workers. The rooms it names; none when it is no request of two phases. */
export function checkBootstrap(room: EngineRoom, got: Received, own: Bootstrap | undefined): string[] {
  checkHead(room, got);
  checkRequestId(room, got);
  if (room.options.trusted !== true) expectAbsent(room, got, ["kv_transfer_params"]);
  for (const name of bootstrapMembers) {
    const values = valuesOf(got.members, name);
    if (values.length !== 1) room.complain(got, name, "one", values.length === 0 ? "nothing" : values.join(" and "));
  }
  const batch = batchSize(got.json);
  checkEach(room, got, "bootstrap_host", batch, own === undefined ? isText : (value) => value === own.host);
  checkEach(room, got, "bootstrap_port", batch, own === undefined ? isPort : (value) => value === own.port);
  expectUnchanged(room, got);
  return checkRooms(room, got, batch);
}

/** A request that has a decode or a unified worker to itself. */
export function checkOrdinary(room: EngineRoom, got: Received): void {
  checkHead(room, got);
  if (room.options.trusted === true) return;
  expectAbsent(room, got, handleMembers);
  expectUnchanged(room, got);
}

/** How many requests the engine makes of it; undefined: one, and no list of one. */
export function batchSize(json: Readonly<Record<string, unknown>>): number | undefined {
  const { n, prompt, text, input_ids: ids, messages } = json;
  if (messages !== undefined) return typeof n === "number" && n > 1 ? n : undefined;
  const list = [prompt, text, ids].find(isBatch);
  return list?.length;
}

/** A list of texts or of token lists; a list of tokens is one prompt. */
function isBatch(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && typeof value[0] !== "number";
}

/** Numbers beyond 2^53, so they are looked at as they are spelt. */
function checkRooms(room: EngineRoom, got: Received, batch: number | undefined): string[] {
  const value = valuesOf(got.members, "bootstrap_room").at(-1);
  if (value === undefined) return [];
  const expected = `${batch === undefined ? "a number" : `${batch} numbers`} within 0..2^63-1`;
  const inside = /^\[(.*)\]$/s.exec(value)?.[1];
  const rooms = (inside ?? value).split(",").map((each) => each.trim());
  const asked = batch === undefined ? inside === undefined : inside !== undefined && rooms.length === batch;
  const valid = rooms.every((each) => naturalNumber.test(each) && BigInt(each) <= maxRoom);
  if (!asked || !valid || new Set(rooms).size < rooms.length) room.complain(got, "bootstrap_room", expected, value);
  return rooms;
}

function checkEach(
  room: EngineRoom,
  got: Received,
  name: string,
  batch: number | undefined,
  isRight: (value: unknown) => boolean,
): void {
  const value = parsed(got.members, name);
  if (value === undefined) return;
  const list = batch === undefined ? [value] : value;
  if (Array.isArray(list) && list.length === (batch ?? 1) && list.every(isRight)) return;
  const expected = batch === undefined ? "that of the prefill worker" : `${batch} times that of the prefill worker`;
  room.complain(got, name, expected, JSON.stringify(value));
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isPort(value: unknown): boolean {
  return value === null || (Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536);
}
