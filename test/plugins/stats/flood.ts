import { createLineSink } from "../../../plugins/stats/_line-sink.ts";

/*
 * Writes 3 MB of lines to standard output over many turns of the event loop, says so on standard error, and writes a
 * last line when it is told to.
 */
const sink = createLineSink(process.stdout, (count) => `lost ${count}`);
let turns = 0;

function next(): void {
  for (let i = 0; i < 1_000; i++) sink.write("x".repeat(99));
  turns += 1;
  if (turns < 30) setImmediate(next);
  else process.stderr.write("alive\n");
}

process.stdin.once("data", () => {
  sink.write("last");
  sink.flush();
  process.stdin.destroy();
});
next();
