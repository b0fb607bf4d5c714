import {
  backslash,
  brokenJson,
  byteAt,
  closeBrace,
  comma,
  openBrace,
  quote,
  skipColon,
  skipSpace,
  skipString,
  skipValue,
} from "./_json-bytes.ts";

/** A UTF-16 unit takes one byte of JSON at least, and six as `\uXXXX`. */
const maxUnitBytes = 6;

/** Fatal, so that broken bytes are never taken for a name with U+FFFD in it. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A name to look for. */
export interface MemberName {
  readonly name: string;
  /** As JSON spells it, without the quotes. */
  readonly bytes: Buffer;
}

/** The members of a JSON object that were looked for. */
export interface Members {
  /** Index of the name, offsets of the first and behind the last byte of its value, index of the name ... */
  readonly found: readonly number[];
  /** Where one more member can be put: behind the last value, or behind the opening brace. */
  readonly end: number;
  readonly empty: boolean;
}

export function toMemberName(name: string): MemberName {
  return { name, bytes: Buffer.from(JSON.stringify(name).slice(1, -1)) };
}

/**
 * Finds top-level members of a JSON object without parsing it, however their names are escaped and as often as they
 * stand there; undefined for another value and for no bytes. What is checked, and what not, is told at `scanModel`.
 *
 * Throws `invalid_json`, also when nested deeper than 1,000.
 */
export function findMembers(bytes: Buffer, names: readonly MemberName[]): Members | undefined {
  const start = skipSpace(bytes, hasByteOrderMark(bytes) ? 3 : 0);
  if (start === bytes.length) return undefined;
  if (bytes[start] !== openBrace) {
    checkEnd(bytes, skipValue(bytes, start, 0));
    return undefined;
  }
  const found: number[] = [];
  let at = skipSpace(bytes, start + 1);
  if (byteAt(bytes, at) === closeBrace) {
    checkEnd(bytes, at + 1);
    return { found, end: start + 1, empty: true };
  }
  for (;;) {
    if (byteAt(bytes, at) !== quote) throw brokenJson(bytes, at);
    const keyEnd = skipString(bytes, at);
    const value = skipColon(bytes, keyEnd);
    const end = skipValue(bytes, value, 1);
    const index = indexOfName(bytes, at + 1, keyEnd - 1, names);
    if (index !== -1) found.push(index, value, end);
    at = skipSpace(bytes, end);
    const byte = byteAt(bytes, at);
    if (byte === closeBrace) {
      checkEnd(bytes, at + 1);
      return { found, end, empty: false };
    }
    if (byte !== comma) throw brokenJson(bytes, at);
    at = skipSpace(bytes, at + 1);
  }
}

/** The key there, without its quotes. */
function indexOfName(bytes: Buffer, start: number, end: number, names: readonly MemberName[]): number {
  for (let i = 0; i < names.length; i++) {
    if (isEqual(bytes, start, end, names[i]!.bytes)) return i;
  }
  const escaped = bytes.subarray(start, end).includes(backslash);
  if (!escaped || !names.some(({ name }) => end - start <= name.length * maxUnitBytes)) return -1;
  const key = decode(bytes, start, end);
  return names.findIndex(({ name }) => name === key);
}

function isEqual(bytes: Buffer, start: number, end: number, wanted: Buffer): boolean {
  if (end - start !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) {
    if (bytes[start + i] !== wanted[i]) return false;
  }
  return true;
}

/** Undefined for what is no JSON string: nobody can take it for a name. */
function decode(bytes: Buffer, start: number, end: number): string | undefined {
  try {
    return String(JSON.parse(utf8.decode(bytes.subarray(start - 1, end + 1))));
  } catch {
    return undefined;
  }
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes.length > 2 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function checkEnd(bytes: Buffer, valueEnd: number): void {
  const at = skipSpace(bytes, valueEnd);
  if (at !== bytes.length) throw brokenJson(bytes, at);
}
