import { formatWithOptions } from "node:util";
import { type ConsolaReporter, consola } from "consola";

/** Makes everything that is logged one JSON object per line, beside the events of a command. */
export function logAsJson(): void {
  consola.setReporters([reporter]);
}

const reporter: ConsolaReporter = {
  log({ date, type, tag, args }) {
    const message = formatWithOptions({ colors: false }, ...args.map(withoutProperties));
    process.stdout.write(`${JSON.stringify({ time: date.toISOString(), event: "log", level: type, tag, message })}\n`);
  },
};

/** Libraries put the request that failed, with its credentials, into properties of their errors. */
function withoutProperties(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const told = value.stack ?? String(value);
  return value.cause === undefined ? told : `${told}\n[cause]: ${String(withoutProperties(value.cause))}`;
}
