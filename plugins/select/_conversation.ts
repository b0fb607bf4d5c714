import { hash } from "node:crypto";
import { isRecord, textsOf } from "./_message-text.ts";
import { eachElement, eachMember, readValue, toBuffer } from "./_json-spans.ts";

/** Characters of a message that count at most. */
const longest = 16_384;

/**
 * What stays the same over all requests of a conversation: its first system text and its first message behind that.
 * For a body with a `previous_response_id` it is this. Undefined when there is neither.
 */
export function readConversation(body: Uint8Array): string | undefined {
  const bytes = toBuffer(body);
  let response: unknown;
  let system = "";
  let opening: Opening | undefined;
  eachMember(bytes, (name, start, end) => {
    if (name === "previous_response_id") response = readValue(bytes, start, end);
    else if (name === "system" || name === "instructions") system = textsOf(readValue(bytes, start, end)).join("\n");
    else if (name === "messages" || name === "input") opening ??= readOpening(bytes, start, end);
  });
  if (typeof response === "string" && response !== "") return response;
  if (opening === undefined) return undefined;
  const text = JSON.stringify([cut(system), cut(opening.system), cut(opening.first)]);
  return hash("sha256", text, "base64url");
}

interface Opening {
  readonly system: string;
  readonly first: string;
}

/** The first system message and the first of any other role; undefined without the latter. */
function readOpening(bytes: Buffer, start: number, end: number): Opening | undefined {
  let system: string | undefined;
  let first: string | undefined;
  eachElement(bytes, start, (from, to) => {
    const message = readValue(bytes, from, to);
    if (!isRecord(message)) return false;
    // What has no text, as a picture, stands for itself.
    const text = textsOf(message["content"]).join("\n") || bytes.toString("latin1", from, Math.min(to, from + longest));
    if (message["role"] !== "system" && message["role"] !== "developer") first = text;
    else system ??= text;
    return first !== undefined;
  });
  if (first === undefined) {
    const input = readValue(bytes, start, end);
    if (typeof input === "string" && input !== "") first = input;
  }
  return first === undefined ? undefined : { system: system ?? "", first };
}

function cut(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}${text.length}`;
}
