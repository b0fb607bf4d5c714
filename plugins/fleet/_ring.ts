/** The newest lines of an output, as many as fit. */
export interface LineRing {
  push(line: string): void;
  /** The newest of them, the oldest of these first. */
  last(count: number): readonly string[];
}

/** What a line costs beside its characters. */
const overhead = 16;

/** @param size characters, about, that it keeps */
export function createLineRing(size: number): LineRing {
  let lines: string[] = [];
  let first = 0;
  let held = 0;
  return {
    push(line) {
      lines.push(line);
      held += line.length + overhead;
      while (held > size && first < lines.length - 1) {
        held -= (lines[first] ?? "").length + overhead;
        lines[first++] = "";
      }
      // Removing one from the front moves all the others: only when half of the list is gone.
      if (first > 64 && first > lines.length / 2) {
        lines = lines.slice(first);
        first = 0;
      }
    },
    last: (count) => lines.slice(Math.max(first, lines.length - count)),
  };
}
