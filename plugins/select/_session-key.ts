import * as v from "valibot";
import type { Exchange } from "../../core/index.ts";
import { hashParts } from "./_hash.ts";
import { toSessionValue } from "./_session-value.ts";

/**
 * Where a request says which session it belongs to.
 *
 * - `header:NAME`, `cookie:NAME`, `query:NAME` the value there
 * - `body:FIELD` a string or number at the top of the JSON body, such as `prompt_cache_key`
 * - `ip` the client's address
 * - `forwarded` the first address of X-Forwarded-For and the User-Agent; nothing without that header (InfiniLM)
 * - `conversation` its first system text and the message behind it, or `previous_response_id` (Plexus, OpenRouter)
 * - a function of the exchange; it sees `x.body` only if something else asks for bodies
 */
export type SessionKey =
  | `header:${string}`
  | `cookie:${string}`
  | `query:${string}`
  | `body:${string}`
  | "ip"
  | "forwarded"
  | "conversation"
  | ((x: Exchange) => string | undefined);

/**
 * Reads the keys of requests, one after the other. Each stays in its parts, which are hashed and compared where they
 * are: to make one word of them would take memory for each pick.
 */
export interface KeyReader {
  /**
   * Looks for the model, or the alias whatever name it was called by, and the first value that is not empty. The rest
   * is about the key that was found last.
   */
  read(x: Exchange): boolean;
  /** Two hashes of it, the same in every process. */
  readonly hashes: Int32Array;
  /** Whether it is the one that was kept. */
  is(kept: KeptKey): boolean;
  keep(): KeptKey;
  /** Where the value of a request comes from. */
  source(x: Exchange): string | undefined;
}

/** A key that is remembered, in bounded length. */
export interface KeptKey {
  /** Of each part the beginning; a longer one is told by its length and the hashes, 64 bits together. */
  readonly text: string;
  readonly length: number;
  readonly hash: number;
  readonly other: number;
}

/** Characters of each part that are kept. */
const longest = 128;
/** Characters of each part that are hashed. */
const longestHashed = 16_384;

const words = '"header:NAME", "cookie:NAME", "query:NAME", "body:FIELD", "ip", "forwarded", "conversation"';

const oneKey = v.custom<SessionKey>(isSessionKey, `Expected ${words} or a function of the exchange`);
const keys = v.pipe(v.array(oneKey), v.minLength(1, "Expected at least one key"));

/** One key or a list of them. */
export const keySchema: v.GenericSchema<SessionKey | readonly SessionKey[], SessionKey | readonly SessionKey[]> =
  v.lazy((input) => (Array.isArray(input) ? keys : oneKey));

/** Whether a key stands in the JSON body. */
export function keyNeedsBody(key: SessionKey | readonly SessionKey[]): boolean {
  return listOf(key).some((one) => typeof one === "string" && (one === "conversation" || one.startsWith("body:")));
}

export function createKeyReader(key: SessionKey | readonly SessionKey[]): KeyReader {
  const values = listOf(key).map(toSessionValue);
  const hashes = new Int32Array(2);
  /** Model, name of the value, the value; of a value that has such a thing also what stands beside it. */
  const three = ["", "", ""];
  const four = ["", "", "", ""];
  let parts = three;
  let value = "";

  /** The first that yields a value, which is left in `value`; -1 if none does. */
  function first(x: Exchange): number {
    for (let i = 0; i < values.length; i++) {
      const found = values[i]!.read(x);
      if (typeof found !== "string" || found === "") continue;
      value = found;
      return i;
    }
    return -1;
  }

  return {
    hashes,
    read(x) {
      const index = first(x);
      if (index === -1) return false;
      const from = values[index]!;
      parts = from.readBeside === undefined ? three : four;
      parts[0] = x.route?.alias ?? x.model ?? "default";
      parts[1] = from.name;
      parts[2] = value;
      if (from.readBeside !== undefined) parts[3] = from.readBeside(x);
      hashParts(parts, longestHashed, hashes);
      return true;
    },
    is({ text, length, hash, other }) {
      return hash === hashes[0] && other === hashes[1] && length === lengthOf(parts) && isStart(text, parts);
    },
    keep: () => ({ text: toText(parts), length: lengthOf(parts), hash: hashes[0]!, other: hashes[1]! }),
    source: (x) => values[first(x)]?.name,
  };
}

function listOf(key: SessionKey | readonly SessionKey[]): readonly SessionKey[] {
  return typeof key === "string" || typeof key === "function" ? [key] : key;
}

function isSessionKey(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "string") return false;
  if (value === "ip" || value === "forwarded" || value === "conversation") return true;
  return /^(?:(?:header|cookie):[!#$%&'*+.^`|~\w-]+|(?:query|body):.+)$/s.test(value);
}

function lengthOf(parts: readonly string[]): number {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += parts[i]!.length;
  return length;
}

/** Joined, for a sum or a slice of strings holds on to those it is made of: a whole header for one cookie in it. */
function toText(parts: readonly string[]): string {
  return parts.map((part) => part.slice(0, longest)).join(" ");
}

/** Whether it is the text of these parts; unit by unit, for that makes no string. */
function isStart(text: string, parts: readonly string[]): boolean {
  let at = 0;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    const end = part.length < longest ? part.length : longest;
    for (let i = 0; i < end; i++) if (text.charCodeAt(at + i) !== part.charCodeAt(i)) return false;
    at += end + 1;
  }
  return at === text.length + 1;
}
