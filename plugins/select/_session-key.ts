import { hash } from "node:crypto";
import * as v from "valibot";
import type { Exchange } from "../../core/index.ts";
import { readConversation } from "./_conversation.ts";
import { eachMember, readValue, toBuffer } from "./_json-spans.ts";

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

export interface KeyReader {
  /** The model, or the alias whatever name it was called by, and the first value that is not empty, as one word of bounded length; undefined when there is none. */
  read(x: Exchange): string | undefined;
  /** Where that value comes from. */
  source(x: Exchange): string | undefined;
}

type Read = (x: Exchange) => string | undefined;

/** Characters of a value that stand in a key as they are; a longer one is told by its hash. */
const longest = 128;
/** Characters that are hashed at most. */
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
  const list = listOf(key);
  const names = list.map((one) => (typeof one === "string" ? one : "a function"));
  const reads = list.map(toRead);
  let value = "";

  /** The first that yields one, which is left in `value`; -1 if none does. */
  function first(x: Exchange): number {
    for (let i = 0; i < reads.length; i++) {
      const found: unknown = reads[i]!(x);
      if (typeof found !== "string" || found === "") continue;
      value = found;
      return i;
    }
    return -1;
  }

  return {
    read(x) {
      const index = first(x);
      return index === -1
        ? undefined
        : `${shorten(x.route?.alias ?? x.model ?? "default")} ${names[index]} ${shorten(value)}`;
    },
    source: (x) => names[first(x)],
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

function toRead(key: SessionKey): Read {
  if (typeof key === "function") return key;
  const colon = key.indexOf(":");
  const name = key.slice(colon + 1);
  switch (key.slice(0, Math.max(0, colon)) || key) {
    case "header":
      return headerReader(name.toLowerCase());
    case "cookie":
      return (x) => readCookie(readHeader(x, "cookie"), name);
    case "query":
      return (x) => (x.search === "" ? undefined : (new URLSearchParams(x.search).get(name) ?? undefined));
    case "body":
      return memberReader(name);
    case "forwarded":
      return readForwarded;
    case "conversation":
      return (x) => (x.body === undefined ? undefined : readConversation(x.body));
    default:
      return (x) => x.ip;
  }
}

function headerReader(name: string): Read {
  return (x) => readHeader(x, name);
}

function readHeader({ headers }: Exchange, name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return Array.isArray(value) ? value.join(", ") : value;
}

function readCookie(cookies: string | undefined, name: string): string | undefined {
  for (const pair of cookies?.split(";") ?? []) {
    const equals = pair.indexOf("=");
    if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

function readForwarded(x: Exchange): string | undefined {
  const [address = ""] = readHeader(x, "x-forwarded-for")?.split(",", 1) ?? [];
  return address.trim() === "" ? undefined : `${address.trim()} ${readHeader(x, "user-agent") ?? ""}`;
}

function memberReader(field: string): Read {
  const written = Buffer.from(JSON.stringify(field));
  return ({ body }) => {
    if (body === undefined) return undefined;
    const bytes = toBuffer(body);
    // Most bodies have no such member, and this tells so ten times faster. A name written with escapes is missed.
    if (!bytes.includes(written)) return undefined;
    let value: unknown;
    eachMember(bytes, (name, start, end) => {
      if (name === field) value = readValue(bytes, start, end);
    });
    return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
  };
}

function shorten(value: string): string {
  if (value.length <= longest) return value;
  return `${hash("sha256", value.slice(0, longestHashed), "base64url")} ${value.length}`;
}
