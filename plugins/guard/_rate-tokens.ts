import type { Exchange, Outcome } from "../../core/index.ts";

/** What the plugins that read answers write into the slot `usage`. */
export interface Usage {
  readonly totalTokens: number;
}

/** Bytes of a request's JSON for one token of its prompt: about that many for English text and for code. */
const bytesPerToken = 4;

/** More than any answer has: what an upstream tells beyond it is not a count. */
const mostTold = 1e9;

/** Tokens that a request may use, prompt and answer; 0 for one that asks no model. */
export function estimateTokens({ method, body, headers }: Exchange, reserve: number): number {
  if (method !== "POST") return 0;
  const bytes = body?.length ?? Number(headers["content-length"] ?? 0);
  return Math.ceil(bytes / bytesPerToken) + (askedTokens(body) ?? reserve);
}

/** What is known to have been used; undefined: nothing but what was estimated. */
export function spentTokens({ sent, kind, status }: Outcome, usage: Usage | undefined): number | undefined {
  if (!sent || kind === "local") return 0;
  const told = usage?.totalTokens ?? 0;
  if (told > 0 && told <= mostTold) return Math.ceil(told);
  // Whole answers that are errors come before any token is made.
  return status >= 400 && (kind === "ok" || kind === "status") ? 0 : undefined;
}

/** Where all the names end that an answer's longest length goes by; without their first quote, which JSON is full of. */
const needle: Buffer = Buffer.from(`_tokens"`);
const longestStart = `"max_completion`.length;
const longestRest = 24;
/** Names in one body that are looked at. */
const mostLooks = 64;

/**
 * The longest answer that a body asks for, without parsing it: a quote inside of a JSON string is escaped, so that text never
 * looks like a name. One further in than the top counts too, which only makes the estimate worse.
 */
export function askedTokens(body: Uint8Array | undefined): number | undefined {
  if (body === undefined) return undefined;
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let most: number | undefined;
  let at = bytes.indexOf(needle);
  for (let looks = 0; at !== -1 && looks < mostLooks; looks++) {
    const end = at + needle.length;
    const text = bytes.toString("latin1", Math.max(0, at - longestStart), end + longestRest);
    const asked = /"max(?:_completion|_output)?_tokens"\s{0,8}:\s{0,8}(\d{1,9})/.exec(text)?.[1];
    if (asked !== undefined) most = Math.max(most ?? 0, Number(asked));
    at = bytes.indexOf(needle, end);
  }
  return most;
}
