import type { EngineRoom } from "./engine-room.ts";
import type { Lease } from "./leases.ts";
import { parsed, valuesOf } from "./members.ts";
import type { Received } from "./received.ts";
import { bootstrapMembers, checkHead, checkRequestId, expectAbsent, expectUnchanged } from "./request-checks.ts";

/** What is asked of a prefill worker, spelt in any way. */
const prefillParams: Readonly<Record<string, unknown>> = {
  do_remote_decode: true,
  do_remote_prefill: false,
  remote_engine_id: null,
  remote_block_ids: null,
  remote_host: null,
  remote_port: null,
};

/** Members that the first phase changes. */
const phaseMembers = [
  "stream",
  "stream_options",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "min_tokens",
  "min_completion_tokens",
  "kv_transfer_params",
];

/** The first phase: compute the cache of the prompt, and hold it. */
export function checkPrefill(room: EngineRoom, got: Received): void {
  checkHead(room, got);
  checkRequestId(room, got);
  checkTwins(room, got);
  expectEqual(room, got, "kv_transfer_params", prefillParams);
  expectEqual(room, got, "stream", false);
  expectAbsent(room, got, ["stream_options", ...bootstrapMembers]);
  const generates = isGenerate(got);
  for (const [limit, value] of limitsOf(got)) {
    if (value !== 1) room.complain(got, limit, "1", JSON.stringify(value) ?? "nothing");
  }
  for (const [least, value] of minimaOf(got)) {
    if (value !== undefined && !(Number(value) <= 1))
      room.complain(got, least, "none, or 1 at most", JSON.stringify(value));
  }
  expectUnchanged(room, got, generates ? [...phaseMembers, "sampling_params"] : phaseMembers);
  const sent = room.clients.of(got);
  if (sent !== undefined && generates) checkSampling(room, got, parsed(sent.members, "sampling_params"));
}

/** The second phase, the release of a handle that nobody waits for, or a request that had no first phase. */
export function checkDecode(room: EngineRoom, got: Received): void {
  checkHead(room, got);
  checkTwins(room, got);
  if (room.options.trusted !== true) expectAbsent(room, got, bootstrapMembers);
  const lease = checkHandle(room, got);
  const sent = room.clients.of(got);
  if (lease !== undefined && isRelease(got) && !(sent !== undefined && isRelease(sent))) {
    expectUnchanged(room, got, [...phaseMembers, "sampling_params"]);
    lease.state = "released";
    lease.release = got;
    room.note("released", got);
    return;
  }
  expectUnchanged(room, got);
  if (lease !== undefined) {
    lease.state = "pulled";
    room.note("pulled", got);
  }
}

/** The handle is one that was handed out: letter by letter, in time, once, and for this request. */
function checkHandle(room: EngineRoom, got: Received): Lease | undefined {
  const field = "kv_transfer_params";
  const value = valuesOf(got.members, field).at(-1);
  if (value === undefined || value === "null") {
    const held = room.leases.heldFor(got.requestId);
    if (held !== undefined && !held.shaken) room.complain(got, field, held.text, value ?? "nothing");
    return undefined;
  }
  const lease = room.leases.find(value);
  if (lease !== undefined) checkLease(room, got, lease);
  else if (room.options.trusted !== true) {
    room.complain(got, field, room.leases.alike(value)?.text ?? "a handle that was handed out", value);
  }
  return lease;
}

function checkLease(room: EngineRoom, got: Received, { state, until, path, requestId, release }: Lease): void {
  const field = "kv_transfer_params";
  // Whoever gave it back to a worker that broke off cannot know whether that was enough.
  const isAgain = isRelease(got) && release?.end === "left";
  if (state !== "held" && state !== "void" && !isAgain)
    room.complain(got, field, "a handle that is still held", `one ${state}`);
  const late = room.now() - until;
  if (late > 0) room.complain(got, field, "a handle in its lease", `one ${late} ms past it`);
  if (path !== got.path) room.complain(got, "path", path, got.path);
  if (requestId !== got.requestId) room.complain(got, "x-request-id", String(requestId), String(got.requestId));
}

/** Members that a phase changes must not stand there twice: engines differ in which one counts. */
function checkTwins(room: EngineRoom, got: Received): void {
  for (const name of phaseMembers) {
    const values = valuesOf(got.members, name);
    if (values.length > 1) room.complain(got, name, "one", values.join(" and "));
  }
}

/** Asks for as little as can be asked, so that the blocks are pulled and freed. */
function isRelease({ members }: Pick<Received, "members">): boolean {
  const generate = parsed(members, "sampling_params") as { readonly max_tokens?: unknown } | undefined;
  const limits = [parsed(members, "max_tokens"), parsed(members, "max_output_tokens"), generate?.max_tokens];
  return parsed(members, "stream") === false && limits.includes(1);
}

/** Each limit that counts at that path, and those that the client gave. */
function limitsOf(got: Received): [name: string, value: unknown][] {
  const sampling = parsed(got.members, "sampling_params") as { readonly max_tokens?: unknown } | undefined;
  if (isGenerate(got)) return [["sampling_params.max_tokens", sampling?.max_tokens]];
  const must = got.path.startsWith("/v1/responses") ? ["max_output_tokens"] : ["max_tokens"];
  if (got.path.startsWith("/v1/chat/")) must.push("max_completion_tokens");
  const given = ["max_tokens", "max_completion_tokens", "max_output_tokens"].filter(
    (name) => valuesOf(got.members, name).length > 0,
  );
  return [...new Set([...must, ...given])].map((name) => [name, parsed(got.members, name)]);
}

function minimaOf(got: Received): [name: string, value: unknown][] {
  const sampling = parsed(got.members, "sampling_params") as { readonly min_tokens?: unknown } | undefined;
  const own = ["min_tokens", "min_completion_tokens"].map((name): [string, unknown] => [
    name,
    parsed(got.members, name),
  ]);
  return [...own, ["sampling_params.min_tokens", sampling?.min_tokens]];
}

function isGenerate({ path }: Received): boolean {
  return path.startsWith("/inference/v1/generate");
}

function checkSampling(room: EngineRoom, got: Received, sent: unknown): void {
  const others = (value: unknown): string => {
    const { max_tokens: _, min_tokens: __, ...rest } = (value ?? {}) as Record<string, unknown>;
    return JSON.stringify(rest);
  };
  const expected = others(sent);
  const actual = others(parsed(got.members, "sampling_params"));
  if (expected !== actual) room.complain(got, "sampling_params", expected, actual);
}

function expectEqual(room: EngineRoom, got: Received, name: string, wanted: unknown): void {
  const actual = parsed(got.members, name);
  if (canonical(actual) !== canonical(wanted)) {
    room.complain(got, name, canonical(wanted), valuesOf(got.members, name).at(-1) ?? "nothing");
  }
}

function canonical(value: unknown): string {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return JSON.stringify(value);
  return JSON.stringify(Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}
