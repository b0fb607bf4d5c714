import { StringDecoder } from "node:string_decoder";

/** Cuts chunks of output into lines that are safe to show. */
export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Chunks were left out: what comes next begins in the middle of a line. */
  skip(): void;
  /** What is left without a line break is a line too. */
  end(): void;
}

/** Characters of a line that are kept. */
const longest = 8_192;

export function createLineSplitter(emit: (line: string) => void): LineSplitter {
  let decoder = new StringDecoder("utf8");
  let open = "";
  /** The rest of the line is left out. */
  let cutting = false;

  function close(text: string): void {
    if (!cutting) emit(toLine(text));
    cutting = false;
  }

  function keep(text: string): void {
    open = cutting ? "" : text;
    if (open.length <= longest) return;
    // A progress bar writes over its line again and again.
    open = open.slice(open.lastIndexOf("\r", open.length - 2) + 1);
    if (open.length <= longest) return;
    emit(toLine(open));
    open = "";
    cutting = true;
  }

  return {
    push(chunk) {
      const lines = (open + decoder.write(chunk)).split("\n");
      const rest = lines.pop() ?? "";
      for (const line of lines) close(line);
      keep(rest);
    },
    skip() {
      decoder = new StringDecoder("utf8");
      open = "";
      cutting = true;
    },
    end() {
      const rest = open + decoder.end();
      if (rest !== "") close(rest);
      open = "";
      cutting = false;
    },
  };
}

/** Colours go, as does what a carriage return writes over; what else could move a cursor is spelt out. */
function toLine(text: string): string {
  const seen = text.replace(/\r+$/u, "");
  const line = seen.slice(seen.lastIndexOf("\r") + 1).replaceAll(/\u001b\[[\d;]*m/gu, "");
  const cut = line.length > longest ? `${line.slice(0, longest).replace(/[\ud800-\udbff]$/u, "")}...` : line;
  return cut.replaceAll(/(?!\t)[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, escape);
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
