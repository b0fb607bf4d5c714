import { isRecord, textsOf } from "./_message-text.ts";

/** Bytes of text, in UTF-8, in the messages of a request's body, or in its prompt when it has none; else 0. */
export function textSize(body: unknown): number {
  if (!isRecord(body)) return 0;
  const { messages, prompt } = body;
  if (!Array.isArray(messages)) return sum(textsOf(prompt));
  let size = 0;
  for (const message of messages as readonly unknown[]) {
    if (isRecord(message)) size += sum(textsOf(message["content"]));
  }
  return size;
}

function sum(texts: readonly string[]): number {
  let size = 0;
  for (const text of texts) size += Buffer.byteLength(text);
  return size;
}
