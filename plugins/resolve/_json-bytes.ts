import { ProxyError } from "../../core/index.ts";

/** Containers inside one another, the outermost included. */
const maxDepth = 1_000;

export const quote = 0x22;
export const comma = 0x2c;
export const colon = 0x3a;
export const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;

/** `Buffer.indexOf` costs as much as looking at this many bytes one by one. */
const near = 16;

/** What numbers, `true`, `false` and `null` are made of; also Python's `NaN` and `Infinity`. */
const literalBytes: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[\dA-Za-z+.-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** The closing byte of each open container. Shared by all scans: none of them yields before it is done. */
const closers: Uint8Array = new Uint8Array(maxDepth + 1);

export function brokenJson(bytes: Buffer, at: number): ProxyError {
  const what = at < bytes.length ? `unexpected byte at offset ${at}` : "it ends too early";
  return new ProxyError("invalid_json", `The request body is not valid JSON: ${what}.`);
}

function tooDeep(): ProxyError {
  return new ProxyError("invalid_json", `The request body is nested deeper than ${maxDepth}.`);
}

/** The byte there, or 0 behind the end: a load out of bounds would slow down every later one. */
export function byteAt(bytes: Buffer, at: number): number {
  return at < bytes.length ? bytes[at]! : 0;
}

/** The offset of the first byte that is not white space. */
export function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
  }
  return at;
}

/** From the opening quote to behind the closing one; what is between them is not looked at. */
export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const soon = Math.min(at + near, bytes.length);
    while (at < soon) {
      const byte = bytes[at]!;
      if (byte === quote) return at + 1;
      at += byte === backslash ? 2 : 1;
    }
    const found = bytes.indexOf(quote, at);
    if (found === -1) throw brokenJson(bytes, bytes.length);
    let before = found - 1;
    while (before >= at && bytes[before] === backslash) before--;
    at = found + 1;
    // An even number of backslashes escape each other.
    if ((found - before) % 2 === 1) return at;
  }
}

/** From the first byte of a value to behind its last one, without recursion; `around`: containers it is in. */
export function skipValue(bytes: Buffer, start: number, around: number): number {
  const byte = byteAt(bytes, start);
  return byte === openBrace || byte === openBracket ? skipContainer(bytes, start, around) : skipScalar(bytes, start);
}

/** From the opening quote of a key to the first byte of its value. */
export function skipKey(bytes: Buffer, start: number): number {
  if (byteAt(bytes, start) !== quote) throw brokenJson(bytes, start);
  return skipColon(bytes, skipString(bytes, start));
}

/** From behind a key to the first byte of its value. */
export function skipColon(bytes: Buffer, keyEnd: number): number {
  const at = skipSpace(bytes, keyEnd);
  if (byteAt(bytes, at) !== colon) throw brokenJson(bytes, at);
  return skipSpace(bytes, at + 1);
}

function skipContainer(bytes: Buffer, start: number, around: number): number {
  let depth = around;
  let at = start;
  for (;;) {
    const byte = byteAt(bytes, at);
    if (byte === openBrace || byte === openBracket) {
      if (++depth > maxDepth) throw tooDeep();
      const closer = byte === openBrace ? closeBrace : closeBracket;
      closers[depth] = closer;
      at = skipSpace(bytes, at + 1);
      if (byteAt(bytes, at) !== closer) {
        at = toValue(bytes, at, closer);
        continue;
      }
    } else {
      at = skipSpace(bytes, skipScalar(bytes, at));
    }
    while (byteAt(bytes, at) === closers[depth]) {
      at++;
      if (--depth === around) return at;
      at = skipSpace(bytes, at);
    }
    if (byteAt(bytes, at) !== comma) throw brokenJson(bytes, at);
    at = toValue(bytes, skipSpace(bytes, at + 1), closers[depth]!);
  }
}

function toValue(bytes: Buffer, at: number, closer: number): number {
  return closer === closeBrace ? skipKey(bytes, at) : at;
}

function skipScalar(bytes: Buffer, start: number): number {
  return byteAt(bytes, start) === quote ? skipString(bytes, start) : skipLiteral(bytes, start);
}

function skipLiteral(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length && literalBytes[bytes[at]!] === 1) at++;
  if (at === start) throw brokenJson(bytes, at);
  return at;
}
