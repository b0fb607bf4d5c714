/** The texts of a message's content: a string, or the `text` and `content` of its parts. */
export function textsOf(content: unknown): string[] {
  if (typeof content === "string") return [content];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: unknown) =>
    typeof part === "string"
      ? [part]
      : isRecord(part)
        ? [part["text"], part["content"]].filter((text) => typeof text === "string")
        : [],
  );
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
