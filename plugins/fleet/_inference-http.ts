import type { IncomingMessage, ServerResponse } from "node:http";
import type { EventHandler } from "h3";
import { isJson } from "../../core/index.ts";

/** The one table from what is wrong to its status. */
const statuses = {
  unauthorized: 401,
  forbidden: 403,
  busy: 409,
  too_large: 413,
  invalid: 422,
  failed: 500,
  closing: 503,
  late: 504,
} as const;

export type Refused = keyof typeof statuses;

/** What is wrong with a field, as FastAPI tells it. */
export interface FieldFault {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
}

/** What goes to the client; `detail` is in words, or a list of fields. */
export interface Refusal extends Error {
  readonly refused: Refused;
  readonly detail: string | readonly FieldFault[];
}

export function refusal(refused: Refused, detail: Refusal["detail"]): Refusal {
  const message = typeof detail === "string" ? detail : detail.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`).join();
  return Object.assign(new Error(message), { refused, detail });
}

export function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && "refused" in error;
}

export interface Page {
  readonly status?: number;
  readonly body: object;
}

export type Run = (req: IncomingMessage, res: ServerResponse) => Promise<Page> | Page;

/** Answers on Node's response itself, so that a client that left changes nothing about what it started. */
export function answering(run: Run, failed: (error: unknown) => void): EventHandler {
  return (event) => {
    const { req, res } = event.runtime!.node as { req: IncomingMessage; res: ServerResponse };
    void answer(run, { req, res, failed });
    return new Promise(noop);
  };
}

const noop = (): void => {};

interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly failed: (error: unknown) => void;
}

async function answer(run: Run, { req, res, failed }: Call): Promise<void> {
  try {
    const { status = 200, body } = await run(req, res);
    send(res, status, body);
  } catch (error) {
    if (!isRefusal(error)) failed(error);
    const { refused, detail } = isRefusal(error) ? error : refusal("failed", "The inference control failed.");
    if (refused === "unauthorized") res.setHeader("www-authenticate", "Bearer");
    send(res, statuses[refused], { detail });
  }
}

function send(res: ServerResponse, status: number, body: object): void {
  if (res.headersSent || res.destroyed) return;
  const text = JSON.stringify(body);
  res.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  res.end(text);
}

/** Bytes of a body. */
const longest = 1_048_576;
/** More than this many times that is not even thrown away. */
const patience = 16;
/** Milliseconds in which a client that never stops sending may read why it should have. */
const lastWord = 1_000;

/** A body without a type counts as JSON. */
export async function readJson(req: IncomingMessage, res: ServerResponse): Promise<unknown> {
  const type = req.headers["content-type"] ?? "";
  const body = await readBody(req, res);
  if (type !== "" && !isJson(type))
    throw invalidBody("json_type", "Expected a body with Content-Type: application/json");
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw invalidBody("json_invalid", "JSON decode error");
  }
}

function invalidBody(type: string, msg: string): Refusal {
  return refusal("invalid", [{ type, loc: ["body"], msg }]);
}

function readBody(req: IncomingMessage, res: ServerResponse): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    req.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= longest) chunks.push(chunk);
      // The rest is read and forgotten: a client that is still sending would not see the answer.
      else reject(refusal("too_large", `The body is larger than ${longest} bytes.`));
      if (bytes <= longest * patience || req.isPaused()) return;
      req.pause();
      setTimeout(() => req.destroy(), lastWord).unref();
    });
    req.on("end", () => resolve(Buffer.concat(chunks)));
    const cut = (): void => reject(invalidBody("json_invalid", "The body was cut off"));
    req.on("error", cut);
    req.on("close", cut);
    if (/^100-continue$/i.test(req.headers.expect ?? "")) res.writeContinue();
  });
}
