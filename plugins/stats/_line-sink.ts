import type { Writable } from "node:stream";

/** Takes log lines and never makes anyone wait for them. */
export interface LineSink {
  write(line: string): void;
  /** Hands on what was gathered. */
  flush(): void;
}

/** Characters that may wait for a destination that does not read; lines beyond are dropped. */
const longestWait = 1_048_576;

/**
 * Gathers the lines of one turn of the event loop into one write.
 *
 * A destination that is gone, full or does not read costs lines, never the process and never a wait; `lost` makes the
 * line that tells of them once lines pass again.
 */
export function createLineSink(stream: Writable, lost: (count: number) => string): LineSink {
  let gathered = "";
  let lines = 0;
  let dropped = 0;
  let scheduled = false;
  if (!stream.listeners("error").includes(swallow)) stream.on("error", swallow);

  function flush(): void {
    scheduled = false;
    const count = lines;
    const text = gathered;
    gathered = "";
    lines = 0;
    if (count === 0) return;
    const notice = dropped;
    dropped = 0;
    stream.write(notice === 0 ? text : `${lost(notice)}\n${text}`, (error) => {
      if (error) dropped += count + notice;
    });
  }

  return {
    write(line) {
      if (gathered.length + stream.writableLength + line.length > longestWait) {
        dropped += 1;
        return;
      }
      gathered += `${line}\n`;
      lines += 1;
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    },
    flush,
  };
}

/** One for all, so that reloads do not pile up listeners. Without it an EPIPE would end the process. */
function swallow(): void {
  // The callback of the write counts the lines that were lost.
}
