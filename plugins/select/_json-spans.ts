const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** `Buffer.indexOf` costs as much as looking at this many bytes one by one. */
const near = 8;

/** Offsets of a value's first byte and behind its last one; true: enough seen. */
export type VisitSpan = (start: number, end: number) => boolean | void;

/** A member's value, and what stands between the quotes of its name. */
export type VisitMember = (bytes: Buffer, start: number, end: number, name: Span) => void;

interface Span {
  start: number;
  end: number;
}

/** The same for all names, for they are looked at one by one. */
const span: Span = { start: 0, end: 0 };

/** A name to look for. */
export interface MemberName {
  readonly text: string;
  /** In quotes. */
  readonly written: Buffer;
}

export function toMemberName(text: string): MemberName {
  return { text, written: Buffer.from(JSON.stringify(text)) };
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** As `eachWritten`, with the names as strings. */
export function eachMember(bytes: Buffer, visit: (name: string, start: number, end: number) => void): void {
  eachWritten(bytes, (_, start, end, name) => visit(readName(bytes, name), start, end));
}

/**
 * Goes through the top-level members of a JSON object without parsing it; none when it is no object. It trusts the
 * grammar: of what is broken it shows the members before, and to refuse it is for others.
 */
export function eachWritten(bytes: Buffer, visit: VisitMember): void {
  const open = skipSpace(bytes, hasByteOrderMark(bytes) ? 3 : 0);
  if (byteAt(bytes, open) !== openBrace) return;
  let at = skipSpace(bytes, open + 1);
  while (byteAt(bytes, at) === quote) {
    const nameEnd = skipString(bytes, at);
    const behind = skipSpace(bytes, nameEnd);
    if (byteAt(bytes, behind) !== colon) return;
    const start = skipSpace(bytes, behind + 1);
    const end = skipValue(bytes, start);
    if (end === start || end > bytes.length) return;
    span.start = at + 1;
    span.end = nameEnd - 1;
    visit(bytes, start, end, span);
    at = skipSpace(bytes, end);
    if (byteAt(bytes, at) !== comma) return;
    at = skipSpace(bytes, at + 1);
  }
}

/** Goes through the elements of the array that starts there; none when it is no array. */
export function eachElement(bytes: Buffer, array: number, visit: VisitSpan): void {
  if (byteAt(bytes, array) !== openBracket) return;
  let at = skipSpace(bytes, array + 1);
  while (at < bytes.length && byteAt(bytes, at) !== closeBracket) {
    const end = skipValue(bytes, at);
    if (end === at || end > bytes.length || visit(at, end) === true) return;
    at = skipSpace(bytes, end);
    if (byteAt(bytes, at) !== comma) return;
    at = skipSpace(bytes, at + 1);
  }
}

/** The value there; undefined when it is not JSON. */
export function readValue(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString("utf8", start, end));
  } catch {
    return undefined; // Not JSON is an answer, not a fault: the upstream decides whether it takes that.
  }
}

/** Whether this name stands there, however it is written; makes a string only where there are escapes in it. */
export function isNamed(bytes: Buffer, name: Span, { text, written }: MemberName): boolean {
  if (isAt(bytes, name.start - 1, written)) return true;
  return hasEscape(bytes, name) && readName(bytes, name) === text;
}

function isAt(bytes: Buffer, from: number, part: Buffer): boolean {
  if (from + part.length > bytes.length) return false;
  for (let i = 0; i < part.length; i++) if (bytes[from + i] !== part[i]) return false;
  return true;
}

function readName(bytes: Buffer, { start, end }: Span): string {
  const name = bytes.toString("utf8", start, end);
  return name.includes("\\") ? String(readValue(bytes, start - 1, end + 1)) : name;
}

function hasEscape(bytes: Buffer, { start, end }: Span): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === backslash) return true;
  return false;
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes.length > 2 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** The byte there, or 0 behind the end: a load out of bounds would slow down every later one. */
function byteAt(bytes: Buffer, at: number): number {
  return at < bytes.length ? bytes[at]! : 0;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at]! <= 0x20) at++;
  return at;
}

/** From the opening quote to behind the closing one; beyond the end when there is none. */
function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const soon = Math.min(at + near, bytes.length);
    while (at < soon) {
      const byte = bytes[at]!;
      if (byte === quote) return at + 1;
      at += byte === backslash ? 2 : 1;
    }
    const found = bytes.indexOf(quote, at);
    if (found === -1) return bytes.length + 1;
    let before = found - 1;
    while (before >= at && bytes[before] === backslash) before--;
    at = found + 1;
    // An even number of backslashes escape each other.
    if ((found - before) % 2 === 1) return at;
  }
}

function skipValue(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte === quote) at = skipString(bytes, at);
    else if (byte === openBrace || byte === openBracket) {
      depth++;
      at++;
    } else if (depth > 0) {
      at++;
      if (byte === closeBrace || byte === closeBracket) depth--;
      else continue;
    } else return skipLiteral(bytes, at);
    if (depth === 0) return at;
  }
  return bytes.length + 1;
}

/** A number, `true`, `false` or `null`. */
function skipLiteral(bytes: Buffer, start: number): number {
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte <= 0x20 || byte === comma || byte === closeBrace || byte === closeBracket) break;
  }
  return at;
}
