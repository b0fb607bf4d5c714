/** `/down/i` as it is written in a file of text; other text has to occur as it stands. Undefined: it cannot be read. */
export function toPattern(reason: string | RegExp): RegExp | undefined {
  if (typeof reason !== "string") return reason;
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/s.exec(reason) ?? [];
  try {
    return source === undefined
      ? new RegExp(reason.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"))
      : new RegExp(source, flags);
  } catch {
    return undefined; // no regular expression: the caller tells
  }
}
