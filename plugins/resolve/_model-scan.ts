import { ProxyError } from "../../core/index.ts";
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

const maxName = 256;
/** Every character written as `\uXXXX`, and the quotes. */
const maxNameBytes = maxName * 6 + 2;

/** A body of nothing else would make a list of a million places. */
const mostTimes = 16;

const key: Buffer = Buffer.from("model");
/** Fatal, so that two names that differ in broken bytes only do not become one. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The last plain name: making a string of its bytes again costs more than the rest of a short scan. */
let last = "";

/** Where a JSON body names its model. */
export interface ModelMember {
  readonly model: string;
  /** Offsets of the first and behind the last byte of each value, quotes included: start, end, start, end ... */
  readonly spans: readonly number[];
}

/**
 * Finds the top-level `model` of a JSON body without parsing it; undefined when there is none.
 *
 * What `JSON.parse` takes, this takes, and both find the same name, but for what is thrown below. Checked are: the grammar of objects and arrays at
 * every depth, that nothing follows the value, and the spelling of `model` and of its value. Not checked are: the
 * inside of other strings (raw control characters, escapes, UTF-8) and the spelling of numbers and literals, so that
 * Python's `NaN` passes. No parser can see a model in there; whether such a body is taken is the upstream's decision.
 * A UTF-8 byte order mark is skipped, as Python and body-parser do; UTF-16, which Python takes too, is refused.
 *
 * Throws `invalid_json` (also when nested deeper than 1,000), `invalid_model` (not a string, empty, over 256 UTF-16 units, control characters) or
 * `ambiguous_model` (given more than once, and not the same; or more than 16 times).
 */
export function scanModel(body: Uint8Array): ModelMember | undefined {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let at = skipSpace(bytes, hasByteOrderMark(bytes) ? 3 : 0);
  if (at === bytes.length) return undefined;
  if (bytes[at] !== openBrace) return checkEnd(bytes, skipValue(bytes, at, 0));
  at = skipSpace(bytes, at + 1);
  if (byteAt(bytes, at) === closeBrace) return checkEnd(bytes, at + 1);
  const spans = findSpans(bytes, at);
  return spans === undefined ? undefined : { model: readModel(bytes, spans), spans };
}

/** Puts another name in the place of each value; all other bytes stay as they are. */
export function spliceModel(body: Uint8Array, spans: readonly number[], name: string): Uint8Array {
  const value = Buffer.from(JSON.stringify(name));
  let length = body.length;
  for (let i = 0; i < spans.length; i += 2) length += value.length - spans[i + 1]! + spans[i]!;
  const out = Buffer.allocUnsafe(length);
  let from = 0;
  let to = 0;
  for (let i = 0; i < spans.length; i += 2) {
    const kept = body.subarray(from, spans[i]);
    out.set(kept, to);
    out.set(value, to + kept.length);
    to += kept.length + value.length;
    from = spans[i + 1]!;
  }
  out.set(body.subarray(from), to);
  return out;
}

/** The values of the members called `model`; `from`: the first key of the object. */
function findSpans(bytes: Buffer, from: number): number[] | undefined {
  let spans: number[] | undefined;
  let at = from;
  for (;;) {
    if (byteAt(bytes, at) !== quote) throw brokenJson(bytes, at);
    const keyEnd = skipString(bytes, at);
    const value = skipColon(bytes, keyEnd);
    const valueEnd = skipValue(bytes, value, 1);
    if (isModel(bytes, at + 1, keyEnd - 1)) spans = withSpan(spans, value, valueEnd);
    at = skipSpace(bytes, valueEnd);
    const byte = byteAt(bytes, at);
    at += 1;
    if (byte === closeBrace) break;
    if (byte !== comma) throw brokenJson(bytes, at - 1);
    at = skipSpace(bytes, at);
  }
  checkEnd(bytes, at);
  return spans;
}

function withSpan(spans: number[] = [], start: number, end: number): number[] {
  if (spans.length >= mostTimes * 2) {
    const message = `The request body names its 'model' more than ${mostTimes} times; send it once.`;
    throw new ProxyError("ambiguous_model", message);
  }
  spans.push(start, end);
  return spans;
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes.length > 2 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function checkEnd(bytes: Buffer, valueEnd: number): undefined {
  const at = skipSpace(bytes, valueEnd);
  if (at !== bytes.length) throw brokenJson(bytes, at);
}

/** Whether the key there, without its quotes, is `model`, however it is escaped. */
function isModel(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < key.length || end - start > key.length * 6) return false;
  let at = start;
  for (let i = 0; i < key.length; i++) {
    if (at >= end) return false;
    if (bytes[at] === key[i]) at++;
    else if (bytes[at] === backslash && bytes[at + 1] === 0x75 && unicode(bytes, at + 2) === key[i]) at += 6;
    else return false;
  }
  return at === end;
}

function unicode(bytes: Buffer, at: number): number {
  const hex = bytes.toString("latin1", at, at + 4);
  return /^[\da-f]{4}$/i.test(hex) ? Number.parseInt(hex, 16) : -1;
}

function readModel(bytes: Buffer, spans: readonly number[]): string {
  const model = readName(bytes, spans[0]!, spans[1]!);
  for (let i = 2; i < spans.length; i += 2) {
    if (readName(bytes, spans[i]!, spans[i + 1]!) !== model)
      throw new ProxyError("ambiguous_model", "The request body names more than one 'model'; send it once.");
  }
  return model;
}

function readName(bytes: Buffer, start: number, end: number): string {
  if (bytes[start] !== quote) throw invalidModel("has to be a string");
  if (isLast(bytes, start + 1, end - 1)) return last;
  if (end - start > maxNameBytes) throw invalidModel(`is longer than ${maxName} characters`);
  const plain = isPlain(bytes, start + 1, end - 1);
  const name = plain ? bytes.toString("latin1", start + 1, end - 1) : decode(bytes, start, end);
  if (name === "") throw invalidModel("is empty");
  if (name.length > maxName) throw invalidModel(`is longer than ${maxName} characters`);
  if (plain) last = name;
  return name;
}

function isLast(bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== last.length || last === "") return false;
  for (let i = 0; i < last.length; i++) {
    if (bytes[start + i] !== last.charCodeAt(i)) return false;
  }
  return true;
}

/** Printable ASCII without escapes: all names but a few. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte > 0x7e || byte === backslash) return false;
  }
  return true;
}

function decode(bytes: Buffer, start: number, end: number): string {
  const name = parse(bytes.subarray(start, end));
  // oxlint-disable-next-line no-control-regex -- finding them is what it is for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) throw invalidModel("has control characters");
  return name;
}

function parse(value: Uint8Array): string {
  try {
    return String(JSON.parse(utf8.decode(value)));
  } catch {
    // The cause is left out: it quotes the body.
    throw new ProxyError("invalid_json", "The request body is not valid JSON: the value of 'model' is no JSON string.");
  }
}

function invalidModel(what: string): ProxyError {
  return new ProxyError("invalid_model", `The 'model' of the request body ${what}.`);
}
