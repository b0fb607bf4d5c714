import { formatWithOptions } from "node:util";
import { type ConsolaReporter, consola } from "consola";

/** Makes everything that is logged one JSON object per line, beside the events of a command. */
export function logAsJson(): void {
  consola.setReporters([reporter]);
}

const reporter: ConsolaReporter = {
  log({ date, type, tag, args }) {
    const message = formatWithOptions({ colors: false }, ...args);
    process.stdout.write(`${JSON.stringify({ time: date.toISOString(), event: "log", level: type, tag, message })}\n`);
  },
};
