import { Agent } from "undici";
import { probeHosts, toOrigin } from "./_ready-port.ts";

/** A model as a backend lists it. */
export interface ListedModel {
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface Answer {
  /** Why it counts as not ready; undefined: it is. */
  readonly failure: string | undefined;
  /** Undefined when it gave no list. */
  readonly models: readonly ListedModel[] | undefined;
}

/** Asks a backend whether it is ready. */
export interface ReadyProbe {
  /** Never rejects. */
  ask(port: number, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

interface Reply {
  /** 0: there was none. */
  readonly status: number;
  readonly failure: string;
  readonly text: string;
}

const paths = ["/v1/models", "/models", "/health"] as const;
/** Where readiness is asked for. */
export interface ReadyProbeOptions {
  /** The one path that must answer 200. @default the first of several that answers */
  readonly path?: string | undefined;
  /** Milliseconds for each. @default 2000 */
  readonly timeout?: number | undefined;
}

/** Bytes of a list of models. */
const longest = 1_048_576;
/** It answers, and has nothing of the kind for us: a server that is up. */
const beside = new Set([401, 403, 404, 405]);

/**
 * Without a path as the babysitter of InfiniLM: ready is what answers one of three paths with 2xx, or does not know any
 * of them.
 */
export function createReadyProbe(host: string, { path: only, timeout = 2_000 }: ReadyProbeOptions = {}): ReadyProbe {
  const hosts = probeHosts(host);
  let agent: Agent | undefined;
  let closed = false;

  async function get(origin: string, path: string, signal: AbortSignal): Promise<Reply> {
    // A connection for each: it shows that the backend still accepts, and no idle one can die under it.
    agent ??= new Agent({ pipelining: 0, connect: { timeout }, headersTimeout: 0, bodyTimeout: 0 });
    const cancel = new AbortController();
    const abort = (): void => cancel.abort();
    const timer = setTimeout(abort, timeout);
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted || closed) throw new Error("given up");
      const answer = await agent.request({ origin, path, method: "GET", signal: cancel.signal });
      return { status: answer.statusCode, failure: `GET ${path}: ${answer.statusCode}`, text: await read(answer.body) };
    } catch (error) {
      const failure = cancel.signal.aborted ? `GET ${path}: no answer within ${timeout} ms` : toReason(error);
      return { status: 0, failure, text: "" };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  async function askOnly(origin: string, path: string, signal: AbortSignal): Promise<Answer> {
    const { status, failure } = await get(origin, path, signal);
    if (status !== 200) return { failure, models: undefined };
    return { failure: undefined, models: readModels((await get(origin, "/v1/models", signal)).text) };
  }

  async function askAt(origin: string, signal: AbortSignal): Promise<Answer> {
    if (only !== undefined) return askOnly(origin, only, signal);
    let failure: string | undefined;
    for (const path of paths) {
      const reply = await get(origin, path, signal);
      const passed = reply.status >= 200 && reply.status < 300;
      const models = passed && path !== "/health" ? readModels(reply.text) : undefined;
      if (passed && (models !== undefined || path === "/health")) return { failure: undefined, models };
      if (passed) return { failure: undefined, models: await listBeside(path, origin, signal) };
      if (!beside.has(reply.status)) failure ??= reply.failure;
    }
    return { failure, models: undefined };
  }

  /** It answered the first path, though with no list of models. */
  async function listBeside(path: string, origin: string, signal: AbortSignal): Promise<Answer["models"]> {
    return path === "/v1/models" ? readModels((await get(origin, "/models", signal)).text) : undefined;
  }

  return {
    async ask(port, signal) {
      let failure = "";
      for (const address of hosts) {
        const answer = await askAt(toOrigin(address, port), signal);
        if (answer.failure === undefined) return answer;
        // What does not listen there says less than what does not like to be asked.
        if (failure === "" || failure === "ECONNREFUSED") failure = answer.failure;
      }
      return { failure, models: undefined };
    },
    async close() {
      closed = true;
      await agent?.destroy();
      agent = undefined;
    },
  };
}

/** Leaving the loop early destroys the connection. What is too long is no list, but an answer. */
async function read(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > longest) return "";
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `{"data": [...]}` or a bare list, of objects with an id or of names. */
function readModels(text: string): readonly ListedModel[] | undefined {
  const body = toJson(text);
  const list: unknown = Array.isArray(body) ? body : (body as { data?: unknown } | null | undefined)?.data;
  if (!Array.isArray(list)) return undefined;
  return list.map((entry: unknown) => (typeof entry === "string" ? { id: entry } : entry)).filter(isModel);
}

function isModel(value: unknown): value is ListedModel {
  return (
    typeof value === "object" && value !== null && "id" in value && typeof value.id === "string" && value.id !== ""
  );
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A server that has another page there is ready all the same.
  }
}

/** The code of what the system says, else the words of what undici says. */
function toReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" && /^E[A-Z]+$/u.test(error.code)
    ? error.code
    : error.message;
}
