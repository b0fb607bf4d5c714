import type { Target } from "../../core/index.ts";

/** The API that a client speaks. */
export type Dialect = "openai" | "anthropic" | "gemini";

const messages = "/v1/messages";

/** Told by the path of a request: what is not Anthropic's or Gemini's is OpenAI's. */
export function dialectOf(path: string): Dialect {
  if (path.startsWith(messages) && (path.length === messages.length || path[messages.length] === "/"))
    return "anthropic";
  const gemini =
    path.startsWith("/v1beta/") || path.endsWith(":generateContent") || path.endsWith(":streamGenerateContent");
  return gemini ? "gemini" : "openai";
}

/** Whether a target takes requests of a dialect: its `meta.dialects` has it, or it has none. */
export function speaks({ meta: { dialects } }: Target, dialect: Dialect): boolean {
  return !Array.isArray(dialects) || dialects.includes(dialect);
}
