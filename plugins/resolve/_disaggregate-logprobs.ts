import type { Relay, RelayService, Slot } from "../../core/index.ts";
import type { Plan } from "./_disaggregate-plan.ts";
import { editMembers, type MemberEdit, readElements, readMembers, writeElements } from "./_disaggregate-splice.ts";

/** A longer answer is passed on as it is. */
const mostHeld = 64 * 1024 * 1024;
const nothing: Buffer = Buffer.alloc(0);
const empty: ReadonlyMap<string, Buffer> = new Map();
const eventEnd = "\n\n";
const dataField: Buffer = Buffer.from("data:");

export type Merge = (prefill: Buffer, decode: Buffer) => Uint8Array;

/** Puts what only the prefill target knows of the prompt into the answer of the decode target. */
export function createLogprobs(plans: Slot<Plan>): RelayService {
  return {
    match(x, { status, headers }) {
      const plan = plans.get(x);
      if (plan === undefined || plan.phases !== "two" || !plan.asked.logprobs[plan.protocol]) return false;
      return status === 200 && headers["content-encoding"] === undefined && x.target?.id === plan.decode;
    },
    create: (x) => createRelay(plans.get(x)!),
  };
}

function createRelay(plan: Plan): Relay {
  const merge = plan.protocol === "nixl" ? mergeNixl : mergeSglang;
  const merged = (decode: Buffer): Uint8Array => {
    if (plan.answer === undefined) return decode;
    try {
      return merge(Buffer.from(plan.answer), decode);
    } catch {
      return decode; // No JSON: whatever it is, the client gets what the decode target said.
    }
  };
  const isPending = (): boolean => plan.beside?.pending === true;
  return plan.asked.stream ? mergeEvents(merged, isPending) : mergeWhole(merged);
}

function mergeWhole(merged: (body: Buffer) => Uint8Array): Relay {
  let chunks: Uint8Array[] = [];
  let length = 0;
  return {
    data(chunk) {
      length += chunk.length;
      if (length > mostHeld && chunks.length === 0) return chunk;
      chunks.push(chunk);
      if (length <= mostHeld) return null;
      const held = Buffer.concat(chunks);
      chunks = [];
      return held;
    },
    end: () => (length > mostHeld ? null : merged(Buffer.concat(chunks))),
  };
}

/** `isPending`: the prefill target's answer is on its way, and comes before the stream has gone on for long. */
function mergeEvents(merged: (data: Buffer) => Uint8Array, isPending: () => boolean): Relay {
  let rest: Buffer = nothing;
  const take = (length: number): Uint8Array => {
    const text = rest.subarray(0, length);
    rest = rest.subarray(length);
    return editEvents(text, merged);
  };
  return {
    data(chunk) {
      rest = Buffer.concat([rest, chunk]);
      if (isPending() && rest.length <= mostHeld) return null;
      const end = rest.lastIndexOf(eventEnd);
      return end === -1 ? null : take(end + eventEnd.length);
    },
    end: () => take(rest.length),
  };
}

function editEvents(events: Buffer, merged: (data: Buffer) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  while (from < events.length) {
    const end = events.indexOf(eventEnd, from);
    const behind = end === -1 ? events.length : end;
    const event = events.subarray(from, behind);
    if (event.indexOf(dataField) === 0) {
      const start = dataField.length + (event[dataField.length] === 0x20 ? 1 : 0);
      parts.push(event.subarray(0, start), merged(event.subarray(start)));
    } else {
      parts.push(event);
    }
    from = Math.min(behind + eventEnd.length, events.length);
    parts.push(events.subarray(behind, from));
  }
  return Buffer.concat(parts);
}

/** In `meta_info.input_token_logprobs` the prefill target's stand before the decode target's; in each event too. */
export const mergeSglang: Merge = (prefill, decode) => {
  const first = firstEvent(prefill);
  const several = readElements(decode);
  if (several === undefined) return withInputLogprobs(first, decode);
  const each = readElements(first) ?? [];
  return writeElements(several.map((one, i) => withInputLogprobs(each[i] ?? nothing, one)));
};

/** A prefill target that was asked to stream tells them in its first event. */
function firstEvent(answer: Buffer): Buffer {
  if (answer.indexOf(dataField) !== 0) return answer;
  const end = answer.indexOf(eventEnd);
  return answer.subarray(dataField.length, end === -1 ? answer.length : end);
}

function withInputLogprobs(prefill: Buffer, decode: Buffer): Uint8Array {
  const name = "input_token_logprobs";
  const meta = readMembers(readMembers(prefill)?.get("meta_info") ?? nothing);
  const before = readElements(meta?.get(name) ?? nothing);
  if (before === undefined) return decode;
  const join: MemberEdit = {
    to(value) {
      const after = readElements(value);
      return after === undefined ? value : writeElements([...before, ...after]);
    },
  };
  const inMeta: MemberEdit = { to: (value) => editMembers(value, new Map([[name, join]])) };
  return editMembers(decode, new Map([["meta_info", inMeta]]));
}

/**
 * As `merge_logprobs_in_json` of vllm-project/router: `prompt_logprobs` of the answer and of its choices are the prefill
 * target's; the lists of a choice's `logprobs` are those of the prompt, then those of the decode target.
 */
export const mergeNixl: Merge = (prefill, decode) => {
  const from = readMembers(prefill) ?? empty;
  const into = readMembers(decode) ?? empty;
  const edits = new Map<string, MemberEdit>();
  const prompt = from.get("prompt_logprobs");
  if (!isNull(prompt) && isNull(into.get("prompt_logprobs"))) edits.set("prompt_logprobs", put(prompt));
  const before = listIn(from, "choices") ?? [];
  const choices = listIn(into, "choices")?.map((choice, i) => mergeChoice(before[i] ?? nothing, choice));
  if (choices !== undefined) edits.set("choices", { to: writeElements(choices) });
  return editMembers(decode, edits);
};

function mergeChoice(prefill: Buffer, decode: Buffer): Uint8Array {
  const from = readMembers(prefill) ?? empty;
  const into = readMembers(decode) ?? empty;
  const prompt = from.get("prompt_logprobs");
  // A decode target that knows them has them in its lists already.
  if (isNull(prompt) || !isNull(into.get("prompt_logprobs"))) return decode;
  const count = readElements(prompt)?.length ?? 0;
  const merged: MemberEdit = { to: (lists) => mergeLists(from.get("logprobs") ?? nothing, lists, count) };
  return editMembers(
    decode,
    new Map([
      ["prompt_logprobs", put(prompt)],
      ["logprobs", merged],
    ]),
  );
}

/** `count`: tokens of the prompt; the one behind them is the prefill target's own, and dropped. */
function mergeLists(prefill: Buffer, decode: Buffer, count: number): Uint8Array {
  const from = readMembers(prefill) ?? empty;
  const into = readMembers(decode) ?? empty;
  const token = listIn(from, "tokens")?.[count - 1];
  const edits = new Map<string, MemberEdit>();
  for (const name of ["token_logprobs", "tokens", "top_logprobs", "text_offset"]) {
    const before = listIn(from, name)?.slice(0, count);
    const after = listIn(into, name);
    if (before === undefined || after === undefined) continue;
    const rest = name === "text_offset" ? shifted(after, before.at(-1), token) : after;
    edits.set(name, { to: writeElements([...before, ...rest]) });
  }
  return editMembers(decode, edits);
}

/** The decode target counts from its own first character, and Python counts code points. */
function shifted(offsets: readonly Buffer[], last: Buffer | undefined, token: Buffer | undefined): readonly Buffer[] {
  if (last === undefined) return offsets;
  const length = token === undefined ? 0 : Array.from(String(JSON.parse(token.toString()))).length;
  const base = Number(last.toString()) + length;
  return offsets.map((offset) => Buffer.from(String(Number(offset.toString()) + base)));
}

function listIn(members: ReadonlyMap<string, Buffer>, name: string): Buffer[] | undefined {
  return readElements(members.get(name) ?? nothing);
}

function put(value: Uint8Array): MemberEdit {
  return { to: value, add: value };
}

function isNull(value: Buffer | undefined): value is undefined {
  return value === undefined || value.equals(Buffer.from("null"));
}
