/** One dispatched event. */
export interface SseEvent {
  readonly type: string;
  readonly data: string;
}

/** Parses a whole stream as https://html.spec.whatwg.org/multipage/server-sent-events.html says; what is unfinished is lost. */
export function parseSse(bytes: Uint8Array): SseEvent[] {
  // TextDecoder takes the byte order mark away, as the standard wants it.
  const lines = new TextDecoder().decode(bytes).split(/\r\n|\n|\r/);
  lines.pop(); // the last line has no end
  const events: SseEvent[] = [];
  let data: string[] = [];
  let type = "";
  for (const line of lines) {
    const [field, value] = toField(line);
    if (field === "data") data.push(value);
    else if (field === "event") type = value;
    else if (line === "") {
      if (data.length > 0) events.push({ type: type === "" ? "message" : type, data: data.join("\n") });
      data = [];
      type = "";
    }
  }
  return events;
}

/** A comment is a field without a name. */
function toField(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  if (colon === -1) return [line, ""];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
