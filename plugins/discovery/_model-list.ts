import { Agent } from "undici";
import type { Dialer } from "../../core/index.ts";

/** Where the models of a target are asked for. */
export interface ModelPlace {
  readonly origin: string;
  readonly path: string;
  readonly dialer: Dialer;
}

export interface ModelQuestion {
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly maxBytes: number;
}

export interface ModelList {
  /** Each once. */
  readonly models: readonly string[];
  /** Names that none can have. */
  readonly refused: number;
}

/** More is no list of models, and each target would hold it in memory. */
const mostModels = 1_000;

const modelName = /^[^\u0000-\u001f\u007f-\u009f]{1,256}$/;

/**
 * Asks a target for its models, over a connection of its own. What it rejects with is short, and holds nothing that the
 * target said.
 */
export async function askModels(
  place: ModelPlace,
  question: ModelQuestion,
  cancel: AbortController,
): Promise<ModelList> {
  const { timeout, headers, maxBytes } = question;
  const { origin, path, dialer } = place;
  // The deadline is a timer of its own; undici's tick every 500 ms.
  const agent = new Agent({ connect: dialer.connector(timeout), headersTimeout: 0, bodyTimeout: 0 });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    cancel.abort();
  }, timeout);
  try {
    const given = { accept: "application/json", ...headers };
    const { signal } = cancel;
    const { statusCode, body } = await agent.request({ origin, path, method: "GET", headers: given, signal });
    if (statusCode === 200) return toList(parse(await readUpTo(body, maxBytes)));
    body.on("error", () => {}).destroy(); // That it was not read to its end is what was wanted.
    throw new Error(`status ${statusCode}`);
  } catch (error) {
    throw late ? new Error(`no answer within ${timeout} ms`) : toShort(error);
  } finally {
    clearTimeout(timer);
    await agent.destroy();
  }
}

async function readUpTo(body: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > limit) throw new Error(`more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** JSON.parse would put a piece of the text into its error. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("an answer that is not JSON");
  }
}

/** `{ "data": [{ "id": "..." }] }` as OpenAI has it, or the list alone, as some have. */
function toList(answer: unknown): ModelList {
  const entries = Array.isArray(answer) ? (answer as readonly unknown[]) : fieldOf(answer, "data");
  if (!Array.isArray(entries)) throw new Error("an answer without a list of models");
  if (entries.length > mostModels) throw new Error(`${entries.length} models; ${mostModels} are the most`);
  const ids = entries.map((entry) => fieldOf(entry, "id"));
  const names = ids.filter((id): id is string => typeof id === "string" && modelName.test(id));
  return { models: [...new Set(names)], refused: ids.length - names.length };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** The code of what the system says, else the words of what undici says. */
function toShort(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return "code" in error && typeof error.code === "string" && /^E[A-Z]+$/.test(error.code)
    ? new Error(error.code)
    : error;
}
