import type { Exchange } from "../../core/index.ts";
import { readConversation } from "./_conversation.ts";
import { eachWritten, isNamed, readValue, toBuffer, toMemberName, type VisitMember } from "./_json-spans.ts";

/** Where a value stands in requests. What a request has as it is, such as a header, is given as it is: not copied. */
export interface SessionValue {
  /** How the config calls it. */
  readonly name: string;
  read(x: Exchange): unknown;
  /** What belongs to the value, and stands elsewhere. */
  readBeside?(x: Exchange): string;
}

const semicolon = 0x3b;
const equalsSign = 0x3d;

/** Finds the value that a key such as `"cookie:sid"` means. */
export function toSessionValue(key: string | ((x: Exchange) => unknown)): SessionValue {
  if (typeof key === "function") return { name: "a function", read: key };
  const colon = key.indexOf(":");
  const name = key.slice(colon + 1);
  switch (key.slice(0, Math.max(0, colon)) || key) {
    case "header":
      return { name: key, read: headerReader(name.toLowerCase()) };
    case "cookie":
      return { name: key, read: (x) => readCookie(readHeader(x, "cookie") ?? "", name) };
    case "query":
      return { name: key, read: (x) => (x.search === "" ? undefined : new URLSearchParams(x.search).get(name)) };
    case "body":
      return { name: key, read: memberReader(name) };
    case "forwarded":
      return { name: key, read: readForwarded, readBeside: (x) => readHeader(x, "user-agent") ?? "" };
    case "conversation":
      return { name: key, read: (x) => (x.body === undefined ? undefined : readConversation(x.body)) };
    default:
      return { name: key, read: (x) => x.ip };
  }
}

function headerReader(name: string): SessionValue["read"] {
  return (x) => readHeader(x, name);
}

function readHeader({ headers }: Exchange, name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return Array.isArray(value) ? value.join(", ") : value;
}

/** The value of the first pair of this name. */
function readCookie(cookies: string, name: string): string | undefined {
  for (let at = cookies.indexOf(name); at !== -1; at = cookies.indexOf(name, at + 1)) {
    const before = skipBlanks(cookies, at - 1, -1);
    if (before !== -1 && cookies.charCodeAt(before) !== semicolon) continue;
    const equals = skipBlanks(cookies, at + name.length, 1);
    if (cookies.charCodeAt(equals) !== equalsSign) continue;
    const end = cookies.indexOf(";", equals);
    return cookies.slice(equals + 1, end === -1 ? undefined : end).trim();
  }
  return undefined;
}

function skipBlanks(text: string, from: number, step: 1 | -1): number {
  let at = from;
  while (at >= 0 && at < text.length && text.charCodeAt(at) <= 0x20) at += step;
  return at;
}

function readForwarded(x: Exchange): string | undefined {
  const hops = readHeader(x, "x-forwarded-for");
  if (hops === undefined) return undefined;
  const comma = hops.indexOf(",");
  return (comma === -1 ? hops : hops.slice(0, comma)).trim();
}

function memberReader(field: string): SessionValue["read"] {
  const wanted = toMemberName(field);
  let value: string | undefined;
  const note: VisitMember = (bytes, start, end, name) => {
    if (isNamed(bytes, name, wanted)) value = toWord(readValue(bytes, start, end));
  };
  return ({ body }) => {
    if (body === undefined) return undefined;
    const bytes = toBuffer(body);
    // Most bodies have no such member, and this tells so ten times faster. A name written with escapes is missed.
    if (!bytes.includes(wanted.written)) return undefined;
    value = undefined;
    eachWritten(bytes, note);
    return value;
  };
}

function toWord(value: unknown): string | undefined {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
}
