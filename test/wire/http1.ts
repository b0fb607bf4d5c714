import { ConnectionEnded, type ByteReader, type Ending } from "./byte-reader.ts";

export type HeaderLine = readonly [name: string, value: string];

/** The lines of a head, values as latin1 with the white space around them removed. */
export interface Head {
  readonly startLine: string;
  readonly headers: readonly HeaderLine[];
  /** Values of one header in the order they came; names compare without case. */
  values(name: string): readonly string[];
  /** The values joined as RFC 9110 5.3 allows; undefined without the header. */
  get(name: string): string | undefined;
}

export type Framing =
  | { readonly kind: "none" | "chunked" | "close" }
  | { readonly kind: "length"; readonly length: number };

export interface Chunk {
  readonly data: Buffer;
  /** `performance.now()` when its last byte arrived. */
  readonly at: number;
}

/** A body read piece by piece. */
export interface Body {
  /** Undefined at the end, whole or cut; `ending` then says which. */
  readonly next: () => Promise<Chunk | undefined>;
  /** `complete` only if the framing says that all of it came. */
  readonly ending: "complete" | Ending | undefined;
  readonly trailers: readonly HeaderLine[];
}

const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;
const chunkLine = /^([0-9a-fA-F]{1,8})(;.*)?$/;

/** Reads a head as RFC 9112 has it and refuses what it does not allow. */
export async function readHead(reader: ByteReader): Promise<Head> {
  const startLine = await reader.line();
  const headers = await readHeaders(reader);
  const values = (name: string): string[] =>
    headers.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return {
    startLine,
    headers,
    values,
    get: (name) => (values(name).length === 0 ? undefined : values(name).join(", ")),
  };
}

/** The framing a head declares; both kinds at once, or one twice, is an error. */
export function framingOf(head: Head, without: Framing["kind"] & ("none" | "close")): Framing {
  const coding = head.values("transfer-encoding");
  const length = head.values("content-length");
  if (coding.length + length.length > 1) throw new Error(`framed more than once: ${JSON.stringify(head.headers)}`);
  if (coding[0] !== undefined) {
    if (coding[0] !== "chunked") throw new Error(`unknown transfer coding ${JSON.stringify(coding[0])}`);
    return { kind: "chunked" };
  }
  if (length[0] === undefined) return { kind: without };
  if (!/^\d+$/.test(length[0])) throw new Error(`not a length: ${JSON.stringify(length[0])}`);
  return { kind: "length", length: Number(length[0]) };
}

export function readBody(reader: ByteReader, framing: Framing): Body {
  const trailers: HeaderLine[] = [];
  let ending: Body["ending"] = framing.kind === "none" ? "complete" : undefined;
  let left = framing.kind === "length" ? framing.length : Infinity;
  let inChunk = false;

  const chunked = async (): Promise<Buffer | undefined> => {
    // Only now: a sender may hold the CRLF behind a chunk back until it has the next one.
    if (inChunk && (await reader.line()) !== "") throw new Error("a chunk must end in CRLF");
    const data = await readChunk(reader);
    inChunk = data !== undefined;
    if (data === undefined) trailers.push(...(await readHeaders(reader)));
    return data;
  };
  const counted = async (): Promise<Buffer | undefined> => {
    if (left === 0) return undefined;
    const data = await reader.some(left);
    left -= data?.length ?? 0;
    if (data !== undefined) return data;
    const how = await reader.ending;
    if (left < Infinity || how === "reset") throw new ConnectionEnded(how, "the rest of the body", Buffer.alloc(0));
    return undefined;
  };
  const piece = framing.kind === "chunked" ? chunked : counted;

  return {
    async next() {
      if (ending !== undefined) return undefined;
      try {
        const data = await piece();
        if (data !== undefined) return { data, at: reader.arrivedAt() };
        ending = "complete";
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error;
        ending = error.how;
      }
      return undefined;
    },
    get ending() {
      return ending;
    },
    trailers,
  };
}

/** All that is left of a body. */
export async function readAll(body: Body): Promise<readonly Chunk[]> {
  const chunks: Chunk[] = [];
  for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) chunks.push(chunk);
  return chunks;
}

async function readHeaders(reader: ByteReader): Promise<HeaderLine[]> {
  const headers: HeaderLine[] = [];
  for (let line = await reader.line(); line !== ""; line = await reader.line()) {
    const [, name, value] = headerLine.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`not a header line: ${JSON.stringify(line)}`);
    headers.push([name, value]);
  }
  return headers;
}

async function readChunk(reader: ByteReader): Promise<Buffer | undefined> {
  const line = await reader.line();
  const [, size] = chunkLine.exec(line) ?? [];
  if (size === undefined) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
  if (Number.parseInt(size, 16) === 0) return undefined;
  return reader.take(Number.parseInt(size, 16));
}
