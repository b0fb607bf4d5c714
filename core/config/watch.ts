import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

export interface FileWatcher {
  /** Watches these files from now on, and no others. */
  set(files: Iterable<string>): void;
  close(): void;
}

export interface WatchOptions {
  /** Milliseconds of quiet before changes are told of. @default 50 */
  readonly debounce?: number;
  /** A directory that cannot be watched, and why. */
  readonly onError?: (error: Error) => void;
}

/**
 * Tells which files changed. Watches their directories and compares what the files are: editors replace a file by
 * renaming another one onto it, and a mounted volume swaps a link two levels up, neither of which a watch on the file
 * itself would see. A file that is gone is waited for.
 */
export function watchFiles(onChange: (changed: readonly string[]) => void, options: WatchOptions = {}): FileWatcher {
  const { debounce = 50, onError = () => {} } = options;
  const files = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;

  const directories = watchDirectories(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const changed = takeChanges(files);
      if (changed.length > 0) onChange(changed);
    }, debounce);
  }, onError);

  return {
    set(next) {
      const wanted = new Set(next);
      for (const file of files.keys()) if (!wanted.has(file)) files.delete(file);
      for (const file of wanted) if (!files.has(file)) files.set(file, identify(file));
      directories.set(new Set([...wanted].map((file) => dirname(file))));
    },
    close() {
      clearTimeout(timer);
      directories.close();
    },
  };
}

interface DirectoryWatcher {
  set(directories: ReadonlySet<string>): void;
  close(): void;
}

function watchDirectories(onEvent: () => void, onError: (error: Error) => void): DirectoryWatcher {
  const watchers = new Map<string, FSWatcher>();

  function open(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, onEvent);
      watcher.on("error", onError);
      watchers.set(directory, watcher);
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  function keepOnly(wanted: ReadonlySet<string>): void {
    for (const [directory, watcher] of watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
  }

  return {
    set(directories) {
      keepOnly(directories);
      for (const directory of directories) if (!watchers.has(directory)) open(directory);
    },
    close: () => keepOnly(new Set()),
  };
}

function takeChanges(files: Map<string, string>): string[] {
  const changed: string[] = [];
  for (const [file, before] of files) {
    const now = identify(file);
    if (now === "" || now === before) continue;
    files.set(file, now);
    changed.push(file);
  }
  return changed;
}

/** Another inode, size or time is another file; a link counts as what it leads to. Empty when there is none. */
function identify(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}`;
}
