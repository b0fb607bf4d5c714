/** Picks a few samples out of Prometheus text, piece by piece, whatever else is in it. */
export interface SampleReader {
  add(chunk: Buffer): void;
  /** The sums over all label sets, of the names that were there. */
  end(): ReadonlyMap<string, number>;
}

/** Characters of a line; a longer one is passed over, so that a text without line ends takes no memory. */
const longestLine = 65_536;

/** What follows a name: labels, whose quoted values may hold braces, and the value. */
const rest = /^(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?[ \t]+(\S+)/;

/** Reads the text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export function createSampleReader(names: readonly string[]): SampleReader {
  const wanted: ReadonlySet<string> = new Set(names);
  const sums = new Map<string, number>();
  let line = "";
  let tooLong = false;

  function take(piece: string): void {
    if (tooLong) return;
    tooLong = line.length + piece.length > longestLine;
    line = tooLong ? "" : line + piece;
  }

  function endLine(): void {
    const name = nameOf(line);
    if (wanted.has(name)) {
      const value = Number(rest.exec(line.slice(name.length))?.[1] ?? Number.NaN);
      // NaN, and the infinities as they are written there, tell nothing.
      if (Number.isFinite(value)) sums.set(name, (sums.get(name) ?? 0) + value);
    }
    line = "";
    tooLong = false;
  }

  return {
    add(chunk) {
      // Names and values are ASCII, and so no character of theirs is cut in two.
      const text = chunk.toString("latin1");
      let from = 0;
      for (let to = text.indexOf("\n"); to !== -1; to = text.indexOf("\n", from)) {
        take(text.slice(from, to));
        endLine();
        from = to + 1;
      }
      take(text.slice(from));
    },
    end() {
      endLine();
      return sums;
    },
  };
}

function nameOf(line: string): string {
  const end = line.search(/[{ \t]/);
  return end === -1 ? "" : line.slice(0, end);
}
