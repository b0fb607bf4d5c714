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

/** Bytes of a request's JSON for one token of its prompt: about that many for English text and for code. */
const bytesPerToken = 4;

/** The tokens that a request's prompt may have, by its length alone; `otherwise` when that is not known. */
export function promptTokens({ body, headers }: Exchange, otherwise: number): number {
  const bytes = body === undefined ? Number(headers["content-length"]) : body.length;
  return Number.isFinite(bytes) && bytes >= 0 ? bytes / bytesPerToken : otherwise;
}
