import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createOutput } from "../../../plugins/fleet/_ring-output.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openBackend, scripted } from "./backend-rig.ts";

/** What is logged of an output, with a clock that stands still. */
function open(): { readonly logged: string[]; write(...chunks: (string | Buffer)[]): Promise<readonly string[]> } {
  const logged: string[] = [];
  const output = createOutput({ log: (line) => logged.push(line), now: () => 0 });
  return {
    logged,
    async write(...chunks) {
      const stream = new PassThrough();
      output.read(stream);
      for (const chunk of chunks) stream.write(chunk);
      await new Promise<void>((resolve) => void stream.end(() => setImmediate(resolve)));
      output.end();
      stream.destroy();
      return output.last(10_000);
    },
  };
}

test("lines are kept whole, however they are cut into chunks", async () => {
  const euro = Buffer.from("€");
  expect(await open().write("one\ntw", "o\n", euro.subarray(0, 1), euro.subarray(1), "\r\nlast")).toEqual([
    "one",
    "two",
    "€",
    "last",
  ]);
});

test("a line without an end is cut at 8 KiB, and the rest of it is left out", async () => {
  const lines = await open().write("x".repeat(5_000), "x".repeat(5_000), "x".repeat(5_000), "\nnext\n");
  expect(lines).toEqual([`${"x".repeat(8_192)}...`, "next"]);
});

test("what a carriage return writes over is not shown", async () => {
  expect(await open().write("10 %\r20 %\r", "30 %\r\ndone\n")).toEqual(["30 %", "done"]);
});

test("colours go, and what could move a cursor or forge a line is spelt out", async () => {
  expect(await open().write("\u001b[31mred\u001b[0m \u001b[2J\u0007 a\u2028b\t\u202ec\n")).toEqual([
    "red \\u001b[2J\\u0007 a\\u2028b\t\\u202ec",
  ]);
});

test("the newest 64 KiB are kept", async () => {
  const lines = await open().write(...Array.from({ length: 200 }, (_, i) => `${i} ${"x".repeat(1_000)}\n`));
  expect(lines.at(-1)?.startsWith("199 ")).toBe(true);
  expect(lines.length).toBeGreaterThan(50);
  expect(lines.join("").length).toBeLessThanOrEqual(65_536);
});

test("the log gets a bounded share of the lines, and is told of the others", async () => {
  const { logged, write } = open();
  await write(Array.from({ length: 1_000 }, (_, i) => `${i}\n`).join(""));
  expect(logged.slice(0, 2)).toEqual(["0", "1"]);
  expect(logged.length).toBe(301);
  expect(logged.at(-1)).toBe("(700 lines of its output are not shown)");
});

test("a backend that writes without end grows neither the log nor the memory, and can be stopped", async () => {
  const backend = await openBackend(scripted(["--flood"], { stop: { grace: 200 } }));
  backend.start();
  await eventually(() => expect(backend.lines.length).toBeGreaterThan(200));
  const before = process.memoryUsage.rss();
  let turns = 0;
  await eventually(() => expect(turns++).toBeGreaterThan(50));
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024);
  expect(backend.lines.length).toBeLessThan(1_000);
  await backend.stop();
  expect((await backend.output()).at(-1)).toMatch(/^\d+ x+$/u);
});
