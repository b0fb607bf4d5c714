import type { Proxy, ProxyConfig } from "../contract/proxy.ts";
import { isConfigLoadError } from "../config/load-error.ts";
import { watchFiles } from "../config/watch.ts";
import { type ConfigSource, readConfig, shorten, toFailure } from "./config-source.ts";
import { Failure } from "./failure.ts";
import { done, note, type Output } from "./output.ts";

export interface Reloader {
  /** Reads the config anew; what is asked for meanwhile is served by one more run. */
  reload(reason: string): void;
  /** The same at once; rejects when the config is refused, which is told all the same. */
  now(reason: string): Promise<{ readonly generation: number }>;
  /** From now on, reloads whenever the config or a file that it imports changes. */
  watch(): void;
  close(): void;
}

export interface ReloaderOptions {
  readonly proxy: Proxy;
  readonly file: string;
  readonly source: ConfigSource;
  readonly output: Output;
  /** Where a config would listen, which no reload changes. */
  readonly addressOf: (config: ProxyConfig) => string;
}

/** Swaps in what the config file has become. A config that is refused leaves the running one, and it says why. */
export function createReloader(options: ReloaderOptions): Reloader {
  const { proxy, file, source, output, addressOf } = options;
  let files = source.files;
  let watching = false;
  const watcher = watchFiles((changed) => run(`${changed.map((path) => shorten(path)).join(", ")} changed`), {
    onError: ({ message }) => output.warn("watch-failed", new Failure(1, `cannot watch: ${message}`)),
  });

  function follow(next: readonly string[]): void {
    files = next;
    if (watching) watcher.set([...next, ...proxy.files()]);
  }

  async function swap(reason: string): Promise<{ generation: number }> {
    const startedAt = performance.now();
    let read: ConfigSource | undefined;
    try {
      read = await readConfig(file, "serve", { stale: files });
      follow(read.files);
      const { generation } = await proxy.reload(read.config);
      follow(read.files); // The new plugins may watch other files.
      const ms = Math.round(performance.now() - startedAt);
      output.tell("reloaded", done(`reloaded in ${ms} ms: ${reason}`), { generation, reason, ms });
      tellRestart(output, addressOf(source.config), addressOf(read.config));
      return { generation };
    } catch (error) {
      // The repair may be made in a file that is not yet, or no longer, known to be a part of the config.
      if (isConfigLoadError(error)) follow([...new Set([...files, ...error.files])]);
      const { message, fix, problems } = toFailure(error, read);
      output.warn(
        "reload-failed",
        new Failure(2, `not reloaded, the running config stays: ${message}`, { fix, problems }),
      );
      throw error;
    }
  }

  const run = oneAtATime((reason) =>
    swap(reason).then(
      () => {},
      () => {}, // It was told.
    ),
  );

  return {
    reload: run,
    now: swap,
    watch() {
      watching = true;
      watcher.set([...files, ...proxy.files()]);
    },
    close: () => watcher.close(),
  };
}

function tellRestart(output: Output, before: string, after: string): void {
  if (before === after) return;
  output.tell("restart-needed", note(`it now wants ${after}: restart to listen there instead of ${before}`), {
    before,
    after,
  });
}

/** However often it is asked for while it runs, it runs once more afterwards. */
function oneAtATime(task: (reason: string) => Promise<void>): (reason: string) => void {
  let running = false;
  let next: string | undefined;
  return function run(reason: string): void {
    if (running) {
      next = reason;
      return;
    }
    running = true;
    void task(reason).finally(() => {
      running = false;
      const waiting = next;
      next = undefined;
      if (waiting !== undefined) run(waiting);
    });
  };
}
