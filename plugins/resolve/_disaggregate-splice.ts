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

const openBracket = 0x5b;
const closeBracket = 0x5d;
const nothing: Buffer = Buffer.alloc(0);
const separator: Buffer = Buffer.from(",");

/** What becomes of a top-level member. */
export interface MemberEdit {
  /** In place of its value; null takes the member out. */
  readonly to: Uint8Array | ((value: Buffer) => Uint8Array) | null;
  /** Put behind the last member where there is none of the name. */
  readonly add?: Uint8Array;
}

export type MemberEdits = ReadonlyMap<string, MemberEdit>;

/** A member of a JSON object, by offsets: of its key, of its value, and behind that. */
interface Span {
  readonly name: string;
  readonly key: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Edits top-level members in the bytes of a JSON object; all other bytes stay as they are. Of an edited member that stands
 * there more than once the last is kept, which is the one that parsers take. A body that is no object, or of which nothing
 * is edited, is returned as it is. Throws `invalid_json`.
 */
export function editMembers(body: Uint8Array, edits: MemberEdits): Uint8Array {
  const bytes = toBuffer(body);
  const open = skipMark(bytes);
  const spans = readSpans(bytes, open);
  if (spans === undefined) return body;
  const last = new Map(spans.map((span) => [span.name, span]));
  const added = [...edits].filter(([name, { add }]) => add !== undefined && !last.has(name));
  if (added.length === 0 && !spans.some(({ name }) => edits.has(name))) return body;

  const parts: Uint8Array[] = [bytes.subarray(0, open + 1)];
  let behind = open + 1;
  for (const span of spans) {
    // A member that has become the first one has no comma before it.
    const between = parts.length > 1 || span === spans[0] ? bytes.subarray(behind, span.key) : nothing;
    behind = span.end;
    const edit = edits.get(span.name);
    if (edit === undefined || last.get(span.name) === span) parts.push(...editMember(bytes, span, between, edit));
  }
  const news = added.flatMap(([name, { add = nothing }], i) => [
    parts.length > 1 || i > 0 ? separator : nothing,
    Buffer.from(`${JSON.stringify(name)}:`),
    add,
  ]);
  return Buffer.concat([...parts, ...news, bytes.subarray(behind)]);
}

function editMember(bytes: Buffer, span: Span, between: Buffer, edit: MemberEdit | undefined): readonly Uint8Array[] {
  const { key, start, end } = span;
  if (edit === undefined) return [between, bytes.subarray(key, end)];
  const { to } = edit;
  if (to === null) return [];
  return [between, bytes.subarray(key, start), typeof to === "function" ? to(bytes.subarray(start, end)) : to];
}

/** The values of a JSON object as they are spelt, by name; the last of those that stand there twice. */
export function readMembers(body: Uint8Array): Map<string, Buffer> | undefined {
  const bytes = toBuffer(body);
  return readSpans(bytes, skipMark(bytes))?.reduce(
    (values, { name, start, end }) => values.set(name, bytes.subarray(start, end)),
    new Map<string, Buffer>(),
  );
}

/** The elements of a JSON array as they are spelt; undefined for another value. */
export function readElements(bytes: Buffer): Buffer[] | undefined {
  let at = skipSpace(bytes, 0);
  if (byteAt(bytes, at) !== openBracket) return undefined;
  const elements: Buffer[] = [];
  at = skipSpace(bytes, at + 1);
  if (byteAt(bytes, at) === closeBracket) return elements;
  for (;;) {
    const end = skipValue(bytes, at, 1);
    elements.push(bytes.subarray(at, end));
    at = skipSpace(bytes, end);
    if (byteAt(bytes, at) === closeBracket) return elements;
    if (byteAt(bytes, at) !== comma) throw brokenJson(bytes, at);
    at = skipSpace(bytes, at + 1);
  }
}

export function writeElements(elements: readonly Uint8Array[]): Buffer {
  const inside = elements.flatMap((element, i) => (i === 0 ? [element] : [separator, element]));
  return Buffer.concat([Buffer.from("["), ...inside, Buffer.from("]")]);
}

function readSpans(bytes: Buffer, open: number): Span[] | undefined {
  if (byteAt(bytes, open) !== openBrace) return undefined;
  const spans: Span[] = [];
  let at = skipSpace(bytes, open + 1);
  if (byteAt(bytes, at) === closeBrace) return checkEnd(bytes, at + 1, spans);
  for (;;) {
    if (byteAt(bytes, at) !== quote) throw brokenJson(bytes, at);
    const keyEnd = skipString(bytes, at);
    const start = skipColon(bytes, keyEnd);
    const end = skipValue(bytes, start, 1);
    spans.push({ name: nameAt(bytes, at, keyEnd), key: at, start, end });
    at = skipSpace(bytes, end);
    if (byteAt(bytes, at) === closeBrace) return checkEnd(bytes, at + 1, spans);
    if (byteAt(bytes, at) !== comma) throw brokenJson(bytes, at);
    at = skipSpace(bytes, at + 1);
  }
}

function checkEnd(bytes: Buffer, objectEnd: number, spans: Span[]): Span[] {
  const at = skipSpace(bytes, objectEnd);
  if (at !== bytes.length) throw brokenJson(bytes, at);
  return spans;
}

function nameAt(bytes: Buffer, start: number, end: number): string {
  const key = bytes.subarray(start, end);
  if (!key.includes(backslash)) return key.toString("utf8", 1, key.length - 1);
  try {
    return String(JSON.parse(key.toString()));
  } catch {
    return ""; // No JSON string: nobody can take it for one of the names that are edited.
  }
}

/** Python's parsers skip a UTF-8 byte order mark. */
function skipMark(bytes: Buffer): number {
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return skipSpace(bytes, marked ? 3 : 0);
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
