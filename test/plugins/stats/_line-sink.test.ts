import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { createLineSink } from "../../../plugins/stats/_line-sink.ts";

const lost = (count: number): string => `lost ${count}`;
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A destination that takes each write as `take` says; like Node's standard output it goes on after an error. */
function destination(take: (text: string, done: (error?: Error) => void) => void): Writable {
  const stream: Writable & { _undestroy?(): void } = new Writable({
    decodeStrings: false,
    write: (text, _encoding, done) => take(String(text), done),
    destroy(error, done) {
      done(error);
      // oxlint-disable-next-line no-underscore-dangle -- the name that Node gave it
      stream._undestroy?.();
    },
  });
  return stream;
}

/** How many lines a text says were lost. */
function told(text: string): number {
  return [...text.matchAll(/^lost (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

test("gathers the lines of one turn into one write", async () => {
  const writes: string[] = [];
  const sink = createLineSink(
    destination((text, done) => (writes.push(text), done())),
    lost,
  );
  sink.write("a");
  sink.write("b");
  expect(writes).toEqual([]);
  await turn();
  sink.write("c");
  await turn();
  expect(writes).toEqual(["a\nb\n", "c\n"]);
});

test("hands on at once what it is asked to flush, and only once", async () => {
  const writes: string[] = [];
  const sink = createLineSink(
    destination((text, done) => (writes.push(text), done())),
    lost,
  );
  sink.write("a");
  sink.flush();
  expect(writes).toEqual(["a\n"]);
  await turn();
  expect(writes).toEqual(["a\n"]);
});

test("drops lines while the destination does not read, and tells how many when it does", async () => {
  const writes: string[] = [];
  let read: (() => void) | undefined;
  const sink = createLineSink(
    destination((text, done) => (writes.push(text), (read = done))),
    lost,
  );
  sink.write("first");
  await turn();
  for (let i = 0; i < 2_000; i++) {
    sink.write("x".repeat(1_023));
    if (i % 100 === 99) await turn();
  }
  expect(writes).toEqual(["first\n"]);
  while (read !== undefined) {
    const done = read;
    read = undefined;
    done();
    await turn();
  }
  sink.write("again");
  await turn();
  const text = writes.join("");
  const kept = text.split("\n").filter((line) => line.startsWith("x")).length;
  expect(kept).toBeGreaterThan(1_000);
  expect(told(text)).toBe(2_000 - kept);
  expect(text).toMatch(/\nlost \d+\nagain\n$/);
});

test("counts the lines that a destination refuses, and goes on", async () => {
  const writes: string[] = [];
  let full = true;
  const stream = destination((text, done) => {
    writes.push(text);
    done(full ? new Error("no space left on device") : undefined);
  });
  const sink = createLineSink(stream, lost);
  sink.write("a");
  sink.write("b");
  await turn();
  sink.write("c");
  await turn();
  full = false;
  sink.write("d");
  await turn();
  expect(writes).toEqual(["a\nb\n", "lost 2\nc\n", "lost 3\nd\n"]);
});

test("adds one error listener to a destination, however many sinks it has", () => {
  const stream = destination((_text, done) => done());
  for (let i = 0; i < 20; i++) createLineSink(stream, lost);
  expect(stream.listenerCount("error")).toBe(1);
});

test("a standard output that nobody reads costs lines, and no more", async () => {
  const child = flood("pipe");
  await child.said("alive");
  const { stdout } = child.process;
  child.process.stdin?.write("go on\n");
  const text = (await stdout?.toArray())?.join("") ?? "";
  const lines = text.split("\n");
  expect(lines.slice(-2)).toEqual(["last", ""]);
  expect(told(text)).toBeGreaterThan(10_000);
  expect(lines.filter((line) => line === "x".repeat(99))).toHaveLength(30_000 - told(text));
  expect(await child.exit).toBe(0);
});

test.each([
  ["is gone", "pipe"],
  ["is full", "/dev/full"],
] as const)("a standard output that %s does not end the process", async (_what, stdout) => {
  const child = flood(stdout);
  child.process.stdout?.destroy();
  await child.said("alive");
  child.process.stdin?.write("go on\n");
  expect(await child.exit).toBe(0);
});

interface Flood {
  readonly process: ChildProcess;
  readonly exit: Promise<unknown>;
  /** Settles when standard error holds the word. */
  said(word: string): Promise<void>;
}

function flood(stdout: "pipe" | "/dev/full"): Flood {
  const file = stdout === "pipe" ? undefined : openSync(stdout, "w");
  const [jiti, script] = ["../../../node_modules/jiti/lib/jiti-cli.mjs", "flood.ts"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const child = spawn(process.execPath, [jiti ?? "", script ?? ""], { stdio: ["pipe", file ?? "pipe", "pipe"] });
  if (file !== undefined) closeSync(file);
  onTestFinished(() => void child.kill());
  let heard = "";
  child.stderr?.on("data", (piece: Buffer) => (heard += piece.toString()));
  return {
    process: child,
    exit: once(child, "exit").then(([code]) => code as unknown),
    said: (word) => vi.waitFor(() => expect(heard).toContain(word), 10_000),
  };
}
