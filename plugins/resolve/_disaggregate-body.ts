import { randomBytes } from "node:crypto";
import { editMembers, type MemberEdit, type MemberEdits, readElements, readMembers } from "./_disaggregate-splice.ts";
import { quote } from "./_json-bytes.ts";

const openBracket = 0x5b;

/** A body in one piece, as `needs` has it made. */
export function wholeBody(body: Uint8Array | null | "stream"): Uint8Array {
  if (body instanceof Uint8Array) return body;
  throw new TypeError("another plugin took the body of a request of two phases away");
}

/** What a request asks for, as far as the two phases are concerned. */
export interface Asked {
  /** The answer has log probabilities of the prompt, which only the prefill target knows: by protocol. */
  readonly logprobs: { readonly nixl: boolean; readonly sglang: boolean };
  readonly stream: boolean;
  /** How many requests SGLang makes of it; undefined: one that is no list. */
  readonly batch: number | undefined;
  /** It came with a handle or a room of its own. */
  readonly handle: boolean;
}

/** Undefined for a body that is no JSON object. Throws `invalid_json`. */
export function readAsked(body: Uint8Array): Asked | undefined {
  const members = readMembers(body);
  if (members === undefined) return undefined;
  const is = (name: string, ...values: readonly string[]): boolean =>
    values.includes(members.get(name)?.toString() ?? "null");
  const stream = is("stream", "true");
  const some = !is("logprobs", "null", "false") || is("echo", "true") || !is("prompt_logprobs", "null");
  return {
    logprobs: { nixl: some && !stream, sglang: is("return_logprob", "true") },
    stream,
    batch: batchOf(members),
    handle: !is("kv_transfer_params", "null") || !is("bootstrap_room", "null"),
  };
}

/** A chat with `n` is so many requests, a list of texts or of token lists as many as it has; a list of tokens is one. */
function batchOf(members: ReadonlyMap<string, Buffer>): number | undefined {
  if (members.has("messages")) return choicesOf(members.get("n") ?? one);
  for (const name of ["text", "input_ids", "prompt"]) {
    const list = readElements(members.get(name) ?? nothing);
    const first = list?.[0]?.[0];
    if (first === quote || first === openBracket) return list?.length;
  }
  return undefined;
}

function choicesOf(value: Buffer): number | undefined {
  const n = Number(value.toString());
  return Number.isSafeInteger(n) && n > 1 && n <= mostRooms ? n : undefined;
}

/** A chat that asks for more is for the engine to refuse. */
const mostRooms = 1_024;
const nothing: Buffer = Buffer.alloc(0);
const one: Buffer = Buffer.from("1");
const remove: MemberEdit = { to: null };
const replace = (to: Buffer): MemberEdit => ({ to });
const set = (to: Uint8Array): MemberEdit => ({ to, add: to });

const sampling: MemberEdits = new Map([
  ["max_tokens", set(one)],
  ["min_tokens", remove],
]);

/** By the end of the path: the limits that its API has. The others are only changed where the client gave them. */
const limits: ReadonlyMap<string, readonly (readonly [name: string, edit: MemberEdit])[]> = new Map([
  ["/v1/chat/completions", [["max_tokens", set(one)] as const, ["max_completion_tokens", set(one)] as const]],
  ["/v1/responses", [["max_output_tokens", set(one)] as const]],
  ["/inference/v1/generate", [["sampling_params", toSampling()] as const]],
]);

function toSampling(): MemberEdit {
  const add = Buffer.from('{"max_tokens":1}');
  return { add, to: (value) => (value.equals(Buffer.from("null")) ? add : editMembers(value, sampling)) };
}

/**
 * A request for a single token, which does not stream, and with these `kv_transfer_params`. Minimum lengths would
 * contradict the limit, and are left out as vLLM's own proxy does.
 */
export function shortened(body: Uint8Array, path: string, params: Uint8Array): Uint8Array {
  const edits: [string, MemberEdit][] = [
    ["stream", set(Buffer.from("false"))],
    ["stream_options", remove],
    ["min_tokens", remove],
    ["min_completion_tokens", remove],
    ["max_tokens", replace(one)],
    ["max_completion_tokens", replace(one)],
    ["max_output_tokens", replace(one)],
    ...(limits.get(path) ?? [["max_tokens", set(one)] as const]),
    ["kv_transfer_params", set(params)],
  ].map(([name, edit]) => [name as string, edit as MemberEdit]);
  return editMembers(body, new Map(edits));
}

/** What asks a prefill target of vLLM to keep what it computed. */
export const keepForDecode: Buffer = Buffer.from(
  '{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,' +
    '"remote_host":null,"remote_port":null}',
);

/** The handle goes into the body letter by letter: its numbers may be greater than JavaScript's. */
export function withHandle(body: Uint8Array, handle: Uint8Array): Uint8Array {
  return editMembers(body, new Map([["kv_transfer_params", set(handle)]]));
}

/** The handle in a prefill target's answer; undefined when it gave none. Throws for what is no JSON. */
export function readHandle(answer: Uint8Array): Buffer | undefined {
  const value = readMembers(answer)?.get("kv_transfer_params");
  return value?.equals(Buffer.from("null")) === true ? undefined : value;
}

/** Where a decode target of SGLang meets the prefill target. */
export interface Meeting {
  readonly host: string;
  readonly port: number | null;
  readonly batch: number | undefined;
}

export function withRoom(body: Uint8Array, { host, port, batch }: Meeting): Uint8Array {
  const each = (value: () => string): MemberEdit =>
    set(Buffer.from(batch === undefined ? value() : `[${Array.from({ length: batch }, value).join(",")}]`));
  return editMembers(
    body,
    new Map([
      ["bootstrap_host", each(() => JSON.stringify(host))],
      ["bootstrap_port", each(() => String(port))],
      ["bootstrap_room", each(createRoom)],
    ]),
  );
}

/** 0 to 2^63 - 1, as text: JavaScript's numbers do not hold it. */
function createRoom(): string {
  return (randomBytes(8).readBigUInt64BE() >> 1n).toString();
}
