import type { IncomingMessage, ServerResponse } from "node:http";
import { isJson, ProxyError } from "../../core/index.ts";

/** What a request asks for in its JSON body. */
export interface Fields {
  readonly target?: string;
  readonly reason?: string;
}

/** Bytes of a body. */
const most = 16_384;
/** Characters of a reason. */
const longest = 200;

/** None without a body. */
export async function readFields(req: IncomingMessage, res: ServerResponse): Promise<Fields> {
  const body = await readBody(req, res);
  if (body === "") return {};
  const type = req.headers["content-type"] ?? "";
  // What has no type is no JSON here: a page of another site could send that unasked.
  if (type === "" || !isJson(type)) throw invalid('a body needs "Content-Type: application/json"');
  return parseFields(toJson(body));
}

async function readBody(req: IncomingMessage, res: ServerResponse): Promise<string> {
  if (/^100-continue$/i.test(req.headers.expect ?? "")) res.writeContinue();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Or leaving the loop would take the connection with it, and the answer.
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > most) throw new ProxyError("body_too_large", `The body is larger than ${most} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function toJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new ProxyError("invalid_json", "The body is not JSON.");
  }
}

function parseFields(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("expected a JSON object");
  for (const [name, given] of Object.entries(value)) {
    if (name !== "target" && name !== "reason")
      throw invalid(`there is no field "${name.slice(0, 60)}" here, only target and reason`);
    if (typeof given !== "string") throw invalid(`${name} is no text`);
  }
  const { reason } = value as Fields;
  if (reason !== undefined && !isReason(reason)) throw invalid(`a reason is a line of 1 to ${longest} characters`);
  return value;
}

function isReason(text: string): boolean {
  return text.trim() !== "" && text.length <= longest && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
}

function invalid(what: string): ProxyError {
  return new ProxyError("invalid_request", `This cannot be done: ${what}.`);
}
