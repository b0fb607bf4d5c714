/** One event of a stream. */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
  /** Its own, not that of an earlier event. */
  readonly id: string | undefined;
}

export interface StreamReader {
  /** Takes the bytes as they come, cut anywhere. Throws once an event is longer than the limit. */
  push(bytes: Uint8Array): void;
}

/**
 * Reads server-sent events as https://html.spec.whatwg.org/multipage/server-sent-events.html says. Only unfinished lines are
 * kept, and each byte is looked at once: a list of all services is one line of megabytes.
 */
export function createStreamReader(limit: number, onEvent: (event: StreamEvent) => void): StreamReader {
  // It takes the byte order mark away, as the standard wants it, and waits for the rest of a character.
  const decoder = new TextDecoder();
  const fields = createFields(onEvent);
  let parts: string[] = [];
  let size = 0;
  let endedInReturn = false;

  function takeLine(line: string): void {
    fields.take(parts.length === 0 ? line : parts.join("") + line);
    parts = [];
    size = 0;
  }

  return {
    push(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === "") return;
      if (endedInReturn && text.startsWith("\n")) text = text.slice(1);
      endedInReturn = text.endsWith("\r");
      const lines = text.split(/\r\n|\n|\r/);
      const rest = lines.pop() ?? "";
      lines.forEach(takeLine);
      if (rest !== "") parts.push(rest);
      size += rest.length;
      // Characters are never more than bytes.
      if (size + fields.size > limit) throw new Error(`it sent an event of more than ${limit} bytes`);
    },
  };
}

interface Fields {
  /** Characters of the event that has not ended yet. */
  readonly size: number;
  take(line: string): void;
}

function createFields(onEvent: (event: StreamEvent) => void): Fields {
  let data: string[] = [];
  let size = 0;
  let type = "";
  let id: string | undefined;

  function dispatch(): void {
    const event = { type: type === "" ? "message" : type, data: data.join("\n"), id };
    const isEvent = data.length > 0;
    data = [];
    size = 0;
    type = "";
    id = undefined;
    if (isEvent) onEvent(event);
  }

  return {
    get size() {
      return size;
    },
    take(line) {
      if (line === "") return dispatch();
      const colon = line.indexOf(":");
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
      if (field === "event") type = value;
      else if (field === "id") id = value;
      else if (field === "data") {
        data.push(value);
        size += value.length + 1;
      }
    },
  };
}
