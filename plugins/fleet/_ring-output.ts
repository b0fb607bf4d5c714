import type { Readable } from "node:stream";
import { createLineRing } from "./_ring.ts";
import { createLineSplitter, type LineSplitter } from "./_ring-lines.ts";

export interface OutputOptions {
  /** Takes the lines that are to be logged: a hundred a second, and a few more at once. */
  readonly log: (line: string) => void;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
}

/** What a program writes: the newest lines are kept, and some are logged. */
export interface Output {
  read(stream: Readable): void;
  last(count: number): readonly string[];
  /** Nothing more comes of what was read so far. */
  end(): void;
}

interface Source {
  readonly stream: Readable;
  readonly lines: LineSplitter;
  /** The newest of the chunks that were not looked at. */
  skipped: Buffer[];
  /** Others came before them. */
  lost: boolean;
}

const kept = 65_536;
/** Milliseconds for which the limits below are counted together. */
const period = 100;
/** Bytes in a period that are looked at; the rest is only read, so that the program does not stop at its output. */
const looked = 32_768;
/** Periods after which the newest of the rest are looked at, while it goes on. */
const longestFlood = 10;
/** Bytes in a period that are read: 20 MB/s. Above, the program has to wait. */
const taken = 2_097_152;
const linesPerSecond = 100;
const linesAtOnce = 300;

/** However much the program writes, it costs a bounded share of the CPU and of memory. */
export function createOutput({ log, now }: OutputOptions): Output {
  const ring = createLineRing(kept);
  const sources = new Set<Source>();
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let credit = linesAtOnce;
  let creditAt = now();
  let flood = 0;
  let hiddenLines = 0;
  let hiddenBytes = 0;

  function show(line: string): void {
    ring.push(line);
    const at = now();
    credit = Math.min(linesAtOnce, credit + ((at - creditAt) / 1_000) * linesPerSecond);
    creditAt = at;
    if (credit < 1) return void hiddenLines++;
    credit -= 1;
    tellHidden();
    log(line);
  }

  function tellHidden(): void {
    if (hiddenLines + hiddenBytes === 0) return;
    const more = hiddenBytes === 0 ? "" : ` and ${hiddenBytes} bytes`;
    log(`(${hiddenLines} lines${more} of its output are not shown)`);
    hiddenLines = hiddenBytes = 0;
  }

  function take(source: Source, chunk: Buffer): void {
    bytes += chunk.length;
    timer ??= setTimeout(nextPeriod, period);
    const first = bytes <= looked || bytes === chunk.length;
    if (first && source.skipped.length === 0) return source.lines.push(chunk);
    source.skipped.push(chunk);
    forgetOldest(source);
    if (bytes > taken) source.stream.pause();
  }

  function forgetOldest(source: Source): void {
    let size = source.skipped.reduce((sum, { length }) => sum + length, 0);
    for (let [first] = source.skipped; first !== undefined && size - first.length >= kept; [first] = source.skipped) {
      source.skipped.shift();
      source.lost = true;
      size -= first.length;
      hiddenBytes += first.length;
    }
  }

  function nextPeriod(): void {
    timer = undefined;
    flood = bytes > looked && flood < longestFlood ? flood + 1 : 0;
    bytes = 0;
    for (const source of sources) {
      if (flood === 0) takeSkipped(source);
      if (source.stream.isPaused()) source.stream.resume();
    }
    // Who falls silent in a flood has said something that was not looked at.
    if (flood > 0) timer = setTimeout(nextPeriod, period);
  }

  /** The last thing a program says is what one wants to know. */
  function takeSkipped(source: Source): void {
    const { skipped, lost, lines } = source;
    source.skipped = [];
    source.lost = false;
    if (lost) lines.skip();
    for (const chunk of skipped) lines.push(chunk);
  }

  function finish(source: Source): void {
    takeSkipped(source);
    source.lines.end();
    sources.delete(source);
  }

  return {
    read(stream) {
      const source: Source = { stream, lines: createLineSplitter(show), skipped: [], lost: false };
      sources.add(source);
      stream.on("data", (chunk: Buffer) => take(source, chunk));
      stream.once("close", () => finish(source));
      // A pipe that breaks has nothing more to say; how the program ended is told by its exit.
      stream.on("error", () => undefined);
    },
    last(count) {
      for (const source of sources) takeSkipped(source);
      return ring.last(count);
    },
    end() {
      for (const source of sources) finish(source);
      clearTimeout(timer);
      timer = undefined;
      tellHidden();
    },
  };
}
