import { Agent } from "undici";
import { createStreamReader, type StreamEvent } from "./_registry-stream.ts";

export interface RegistryClientOptions {
  readonly token: string | undefined;
  /** Bytes of an answer, or of one event. */
  readonly maxBytes: number;
}

/** What `GET /services` says. */
export interface Listing {
  readonly services: readonly unknown[];
  readonly etag: string | undefined;
  /** Undefined: a registry that has none. */
  readonly epoch: string | undefined;
}

export interface Watching {
  /** Milliseconds until the response head. */
  readonly timeout: number;
  readonly cancel: AbortController;
  /** Bytes came, of whatever kind. */
  heard(): void;
  event(event: StreamEvent): void;
}

/** Reads registries. What it rejects with is short, and holds neither the token nor anything that a registry said. */
export interface RegistryClient {
  /** Undefined: it is as it was when it had that tag. */
  list(url: string, etag: string | undefined, timeout: number): Promise<Listing | undefined>;
  /** Rejects when the stream ends, whatever ends it; resolves when the registry answers with something else. */
  watch(url: string, watching: Watching): Promise<void>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

type Response = Awaited<ReturnType<Agent["request"]>>;

type Get = (url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<Response>;

export function createRegistryClient({ token, maxBytes }: RegistryClientOptions): RegistryClient {
  // The deadlines are timers of its own; undici's tick every 500 ms.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 0 } });
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  const get: Get = (url, given, signal) => {
    const { origin, pathname, search } = new URL(url);
    const headers = { ...authorization, ...given };
    return agent.request({ origin, path: pathname + search, method: "GET", headers, signal });
  };

  return {
    list: (url, etag, timeout) =>
      within(timeout, new AbortController(), async ({ signal }) => {
        const headers = { accept: "application/json", ...(etag !== undefined && { "if-none-match": etag }) };
        return toListing(await get(`${url}/services`, headers, signal), etag, maxBytes);
      }),
    watch: (url, watching) => watch(get, url, watching, maxBytes),
    close: () => agent.destroy(),
  };
}

async function toListing(response: Response, etag: string | undefined, maxBytes: number): Promise<Listing | undefined> {
  const { statusCode, body, headers } = response;
  if (statusCode === 304 && etag !== undefined) {
    await body.dump();
    return undefined;
  }
  if (statusCode !== 200) throw refused(response);
  return {
    services: parseList(await readUpTo(body, maxBytes)),
    etag: textOf(headers["etag"]),
    epoch: textOf(headers["x-registry-epoch"]),
  };
}

async function watch(
  get: Get,
  url: string,
  { timeout, cancel, heard, event }: Watching,
  maxBytes: number,
): Promise<void> {
  const wanted = { accept: "text/event-stream", "cache-control": "no-store" };
  const ask = ({ signal }: AbortController): Promise<Response> => get(`${url}/services?watch=true`, wanted, signal);
  const response = await within(timeout, cancel, ask);
  const { statusCode, body, headers } = response;
  if (statusCode !== 200) throw refused(response);
  if (!/^text\/event-stream\b/i.test(textOf(headers["content-type"]) ?? "")) return leave(body);
  const reader = createStreamReader(maxBytes, event);
  heard();
  for await (const chunk of body) {
    heard();
    reader.push(chunk as Uint8Array);
  }
  throw new Error("it ended the stream");
}

/** Says in short words why a registry did not answer. */
export function toReason(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

async function within<T>(
  timeout: number,
  cancel: AbortController,
  run: (cancel: AbortController) => Promise<T>,
): Promise<T> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    cancel.abort();
  }, timeout).unref();
  try {
    return await run(cancel);
  } catch (error) {
    throw late ? new Error(`no answer within ${timeout} ms`) : error;
  } finally {
    clearTimeout(timer);
  }
}

function refused({ statusCode, body }: Response): Error {
  leave(body);
  return new Error(`status ${statusCode}`);
}

/** Nobody reads it: the connection is closed rather than emptied. */
function leave(body: Response["body"]): void {
  body.on("error", () => {}); // That it was not read to its end is what was wanted.
  body.destroy();
}

async function readUpTo(body: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > limit) throw new Error(`its answer has more than ${limit} bytes`);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseList(text: string): readonly unknown[] {
  const value = parseJson(text);
  const services = typeof value === "object" && value !== null && "services" in value ? value.services : undefined;
  if (!Array.isArray(services)) throw new Error("its answer has no list of services");
  return services as readonly unknown[];
}

/** JSON.parse would put a piece of the text into its error. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it sent something that is not JSON");
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}
