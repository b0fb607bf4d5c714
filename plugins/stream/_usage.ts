/** Tokens of one exchange; a count that nobody told is 0. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
}

// Without its first quote: a search begins at each first byte of what it seeks, and JSON is full of quotes (9 times as slow).
const needle: Buffer = Buffer.from(`usage"`);
const key: Buffer = Buffer.from(`"usage"`);
/** Bytes of a usage object that came in pieces; what is longer is given up. */
const longest = 4_096;

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const open = 0x7b;
const close = 0x7d;

/** Offset that says: the bytes end before it can be told. */
const unfinished = -1;
/** Offset that says: this is no usage object. */
const none = -2;

/**
 * Finds `"usage": {...}` in a stream of JSON events while it passes by.
 *
 * A quote inside of a JSON string is escaped, so that text which a model wrote never looks like a key.
 */
export class UsageFinder {
  readonly usage: Usage = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };
  /** What may be the beginning of a usage object that goes on in the next chunk. */
  #carry: Buffer | undefined;

  /** True if something was found. */
  feed(chunk: Uint8Array): boolean {
    const bytes = this.#join(chunk);
    let found = false;
    let at = bytes.indexOf(needle);
    while (at !== -1) {
      const from = at + needle.length;
      const end = bytes[at - 1] === quote ? endOfValue(bytes, from) : none;
      if (end === unfinished) {
        this.#keep(bytes, at - 1);
        return found;
      }
      if (end !== none && this.#read(bytes, bytes.indexOf(open, from), end)) found = true;
      at = bytes.indexOf(needle, from);
    }
    this.#keep(bytes, startOfKey(bytes));
    return found;
  }

  #join(chunk: Uint8Array): Buffer {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#carry === undefined) return bytes;
    const joined = Buffer.concat([this.#carry, bytes]);
    this.#carry = undefined;
    return joined;
  }

  #keep(bytes: Buffer, from: number): void {
    // A copy: the chunk belongs to the connection.
    if (bytes.length - from <= longest && from < bytes.length) this.#carry = Buffer.from(bytes.subarray(from));
  }

  /** Later figures win, field by field: Anthropic's API tells the prompt first and the completion last. */
  #read(bytes: Buffer, start: number, end: number): boolean {
    const told = toRecord(bytes.toString("utf8", start, end));
    const prompt = toCount(told.prompt_tokens ?? told.input_tokens);
    const completion = toCount(told.completion_tokens ?? told.output_tokens);
    const total = toCount(told.total_tokens);
    if (prompt === undefined && completion === undefined && total === undefined) return false;
    const { usage } = this;
    usage.promptTokens = prompt ?? usage.promptTokens;
    usage.completionTokens = completion ?? usage.completionTokens;
    usage.totalTokens = total ?? usage.promptTokens + usage.completionTokens;
    return true;
  }
}

/** Where the object behind a key ends. */
function endOfValue(bytes: Buffer, from: number): number {
  const separator = skipSpace(bytes, from);
  if (separator === bytes.length) return unfinished;
  if (bytes[separator] !== colon) return none;
  const start = skipSpace(bytes, separator + 1);
  if (start === bytes.length) return unfinished;
  return bytes[start] === open ? endOfObject(bytes, start) : none;
}

function endOfObject(bytes: Buffer, start: number): number {
  let depth = 0;
  let inString = false;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === quote) inString = !inString;
    else if (inString) i += byte === backslash ? 1 : 0;
    else if (byte === open) depth += 1;
    else if (byte === close && --depth === 0) return i + 1;
  }
  return bytes.length - start > longest ? none : unfinished;
}

function skipSpace(bytes: Buffer, from: number): number {
  let i = from;
  while (bytes[i] === 0x20 || bytes[i] === 0x09) i += 1;
  return i;
}

/** Where the key begins that the bytes may end in the middle of; their length if there is none. */
function startOfKey(bytes: Buffer): number {
  const { length } = bytes;
  for (let start = Math.max(0, length - key.length + 1); start < length; start++) {
    if (bytes[start] === quote && bytes.compare(key, 0, length - start, start) === 0) return start;
  }
  return length;
}

function toRecord(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? { ...value } : {};
  } catch {
    return {}; // braces that match and yet no JSON: nothing was told
  }
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}
