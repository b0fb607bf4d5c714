import * as v from "valibot";
import type { Exchange } from "../../core/index.ts";

type Count = v.OptionalSchema<v.GenericSchema<number>, number>;

const count: v.GenericSchema<number> = v.pipe(
  v.number(),
  v.finite("Expected a number"),
  v.minValue(0, "Expected 0 or more"),
);

/** The options that every selector by price has. */
export const tokenEntries: { readonly inputTokens: Count; readonly outputTokens: Count } = {
  inputTokens: v.optional(count, 1_000),
  outputTokens: v.optional(count, 500),
};

export interface TokenOptions {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Bytes of a request's JSON for one token of its prompt: about that many for English text and for code. */
export const bytesPerToken = 4;

/** The bytes of a request's body; -1 when that is not known. */
export function promptBytes({ body, headers }: Exchange): number {
  if (body !== undefined) return body.length;
  const told = Number(headers["content-length"]);
  return Number.isFinite(told) && told >= 0 ? told : -1;
}
