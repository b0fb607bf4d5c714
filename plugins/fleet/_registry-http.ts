import type { EventHandler } from "h3";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isJson } from "../../core/index.ts";
import { isStoreAway } from "./_registry-store.ts";

/** The one table from what is wrong to its status. */
const statuses = {
  invalid_json: 400,
  unauthorized: 401,
  forbidden: 403,
  unknown: 404,
  taken: 409,
  body_too_large: 413,
  not_json: 415,
  invalid_field: 422,
  too_many_requests: 429,
  failed: 500,
  away: 503,
  // Not 503: another try would be refused like this one, and a registry that is full is not one that is down.
  full: 507,
} as const;

export type Refused = keyof typeof statuses;

export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request to the registry. */
export interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Of the service, out of the path. */
  readonly name: string;
  readonly query: URLSearchParams;
}

/** Undefined: the response is written elsewhere. */
export type Run = (call: Call) => Promise<Answer | undefined> | Answer | undefined;

interface RefusedError extends Error {
  readonly refused: Refused;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a handler throws to refuse a request; the message goes to the client. */
export function refusal(refused: Refused, message: string, headers: Readonly<Record<string, string>> = {}): Error {
  return Object.assign(new Error(message), { refused, headers } satisfies Omit<RefusedError, keyof Error>);
}

export function json(value: object, status = 200, headers?: Answer["headers"]): Answer {
  return { status, body: JSON.stringify(value), ...(headers !== undefined && { headers }) };
}

/** Answers on Node's response itself: a web Response for each heartbeat would cost as much as all the rest. */
export function answering(run: Run, failed: (error: unknown) => void): EventHandler {
  return (event) => {
    const { req, res } = event.runtime!.node as { req: IncomingMessage; res: ServerResponse };
    const mark = req.url?.indexOf("?") ?? -1;
    const query = new URLSearchParams(mark === -1 ? "" : req.url?.slice(mark + 1));
    const call = { req, res, name: decoded(event.context.params?.["name"] ?? ""), query };
    void answer(run, call, failed);
    return new Promise(noop);
  };
}

const noop = (): void => {};

async function answer(run: Run, call: Call, failed: (error: unknown) => void): Promise<void> {
  try {
    const given = await run(call);
    if (given !== undefined) send(call.res, given);
  } catch (error) {
    const refused = isStoreAway(error) ? refusal("away", "The registry's store is away.", soon) : error;
    if (isRefusal(refused)) return send(call.res, toAnswer(refused));
    failed(error);
    send(call.res, toAnswer(refusal("failed", "The registry failed.") as RefusedError));
  }
}

export const soon: Readonly<Record<string, string>> = { "retry-after": "1" };

function isRefusal(error: unknown): error is RefusedError {
  return error instanceof Error && "refused" in error;
}

function toAnswer({ refused, message, headers }: RefusedError): Answer {
  return { status: statuses[refused], body: JSON.stringify({ error: message }), headers };
}

function send(res: ServerResponse, { status, body, headers }: Answer): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(status, {
    ...(status !== 304 && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    "cache-control": "no-store",
    ...headers,
  });
  res.end(status === 304 ? undefined : body);
}

function decoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // No service is called that.
  }
}

/** The body as an object. */
export async function readJson({ req, res }: Call, limit: number): Promise<JsonObject> {
  if (!isTyped(req)) throw refusal("not_json", 'Expected a body with "Content-Type: application/json".');
  return parse(await readBody(req, res, limit));
}

/** The same, or undefined: there is none, or it is of another type. */
export async function readOptionalJson({ req, res }: Call, limit: number): Promise<JsonObject | undefined> {
  const body = await readBody(req, res, limit);
  return isTyped(req) && body.length > 0 ? parse(body) : undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Unlike others, what has no type is no JSON here: a page in a browser could send that to a registry elsewhere. */
function isTyped({ headers }: IncomingMessage): boolean {
  const type = headers["content-type"] ?? "";
  return type !== "" && isJson(type);
}

function parse(body: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw refusal("invalid_json", "The body is not JSON.");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw refusal("invalid_field", "Expected a JSON object.");
}

/** More than this many times the limit is not even thrown away. */
const patience = 16;
/** Milliseconds in which a client that never stops sending may read why it should have. */
const lastWord = 1_000;

function readBody(req: IncomingMessage, res: ServerResponse, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const tooLarge = (): void =>
      reject(refusal("body_too_large", `The body is larger than ${limit} bytes; that is the registry's limit.`));
    req.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) chunks.push(chunk);
      // The rest is read and forgotten: a client that is still sending would not see the answer.
      else tooLarge();
      if (bytes <= limit * patience || req.isPaused()) return;
      req.pause();
      setTimeout(() => req.destroy(), lastWord).unref();
    });
    req.on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    const cut = (): void => reject(refusal("invalid_json", "The body was cut off."));
    req.on("error", cut);
    req.on("close", cut);
    if (/^100-continue$/i.test(req.headers.expect ?? "")) res.writeContinue();
  });
}
