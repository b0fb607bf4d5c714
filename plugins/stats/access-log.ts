import * as v from "valibot";
import { definePlugin, type Plugin, type Setup } from "../../core/index.ts";
import { createLineSink } from "./_line-sink.ts";
import { toJsonLine, toPrettyLine, type Usage } from "./_log-line.ts";

export interface AccessLogOptions {
  /** @default "pretty" on a terminal, else "json" */
  format?: "json" | "pretty";
  /** Takes each line, without a line end; called while the exchange ends, so it must be quick. @default standard output */
  write?: (line: string) => void;
  /** Paths that are not logged. @default ["/health", "/ready"] */
  skip?: readonly string[];
  /** The clock, in milliseconds since 1970. @default Date.now */
  now?: () => number;
}

interface Settings {
  readonly format?: "json" | "pretty" | undefined;
  readonly write?: ((line: string) => void) | undefined;
  readonly skip: readonly string[];
  readonly now: () => number;
}

const schema: v.GenericSchema<AccessLogOptions, Settings> = v.strictObject({
  format: v.optional(v.picklist(["json", "pretty"])),
  write: v.optional(v.custom<(line: string) => void>(isFunction, "Expected a function that takes a line")),
  skip: v.optional(v.array(v.pipe(v.string(), v.startsWith("/", "Expected a path such as /health"))), [
    "/health",
    "/ready",
  ]),
  now: v.optional(v.custom<() => number>(isFunction, "Expected a function that tells the time"), () => Date.now),
} satisfies { [K in keyof Required<AccessLogOptions>]: v.GenericSchema<AccessLogOptions[K], unknown> });

/**
 * Writes one line for each exchange when it is over, as JSON or for the eye.
 *
 * It holds time, id, method, path, status, kind of end, Envoy's response flag, model, route, target, attempts, time to
 * first byte and duration in milliseconds, bytes, tokens if a relay noted them, address, the name of the client if a guard
 * noted it, and user agent. No query, no other header, nothing of a body. Texts are cut at 256 characters and lines at 4 KiB, and control characters are
 * escaped in both formats. A destination that is full or gone costs lines, never an answer; how many is a line of its
 * own, `{"time":...,"dropped":3}`, as soon as lines pass again.
 *
 * @example
 * accessLog({ format: "json", skip: ["/health", "/ready", "/stats"] });
 */
export const accessLog: (options?: AccessLogOptions) => Plugin = definePlugin({
  name: "access-log",
  options: schema,
  setup(proxy, options) {
    const { now, skip } = options;
    const skipped = new Set(skip);
    const usage = proxy.slot<Usage>("usage");
    const client = proxy.slot<{ readonly name: string }>("client");
    const requestId = proxy.slot<string>("requestId");
    const toLine =
      (options.format ?? (process.stdout.isTTY ? "pretty" : "json")) === "json" ? toJsonLine : toPrettyLine;
    const write = options.write === undefined ? toStandardOutput(proxy, now) : settled(proxy, options.write);
    return {
      end(x, outcome) {
        if (skipped.has(x.path)) return undefined;
        const noted = { usage: usage.get(x), client: client.get(x)?.name, id: requestId.get(x) };
        write(toLine({ time: now(), x, outcome, ...noted }));
        return undefined;
      },
    };
  },
});

function toStandardOutput(proxy: Setup, now: () => number): (line: string) => void {
  const lost = (dropped: number): string => JSON.stringify({ time: new Date(now()).toISOString(), dropped });
  const sink = createLineSink(process.stdout, lost);
  proxy.onClose(() => sink.flush());
  return (line) => sink.write(line);
}

/** An async function passes for one that returns nothing; its rejection would end the process. */
function settled(proxy: Setup, write: (line: string) => unknown): (line: string) => void {
  return (line) => {
    const result = write(line);
    if (result instanceof Promise)
      result.catch((error: unknown) => proxy.log.error("a log line was not written:", error));
  };
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}
