import { type FileWatcher, watchFiles } from "../config/watch.ts";

/** Milliseconds after which the files are looked at even if nothing told of a change. */
const interval = 30_000;

/** One look at a time: now, when one of the files may have changed, and every so often. */
export function followFiles(
  files: readonly string[],
  look: (isOver: () => boolean) => Promise<void>,
): { close(): void } {
  let watcher: FileWatcher | undefined;
  let looking = false;
  let again = false;
  const over = new AbortController();

  async function run(): Promise<void> {
    again = true;
    if (looking) return;
    looking = true;
    while (again && !over.signal.aborted) {
      again = false;
      // Anew: a directory that was replaced is not the one that was watched.
      watcher?.close();
      watcher = watchFiles(() => void run(), { onError: () => undefined }); // The interval does without.
      watcher.set(files);
      await look(() => over.signal.aborted);
    }
    looking = false;
  }

  const timer = setInterval(() => void run(), interval).unref();
  void run();
  return {
    close() {
      over.abort();
      clearInterval(timer);
      watcher?.close();
    },
  };
}
