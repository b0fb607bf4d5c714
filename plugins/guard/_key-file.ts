import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import * as v from "valibot";
import { type FileWatcher, type Setup, watchFiles, textOf } from "../../core/index.ts";
import { withoutReceived } from "../../core/config/show-value.ts";
import { keyFileEntries, type ValidKeyEntry } from "./_key-entry.ts";
import { createKeyTable, type KeyTable } from "./_key-table.ts";

const largest = 1_048_576;
/** Milliseconds after which the file is looked at even if nothing told of a change. */
const interval = 30_000;

/** The keys of a config, and those of a file as it is at the moment. */
export async function openKeyTable(
  proxy: Setup,
  own: readonly ValidKeyEntry[],
  file: string | undefined,
): Promise<KeyTable> {
  if (file === undefined) return createKeyTable(own);
  const path = resolve(file);
  // A reload, or an explanation, while the file is being written goes on with what is known.
  const known = proxy.keep<{ entries?: readonly ValidKeyEntry[] }>(path, () => ({}));
  let table = createKeyTable([...(known.entries ?? []), ...own]);
  const take = (entries: readonly ValidKeyEntry[]): void => {
    known.entries = entries;
    table = createKeyTable([...entries, ...own]);
  };
  await readKeyFile(path).then(take, ({ message }: Error) => {
    if (known.entries === undefined) proxy.problem({ path: "file", message });
  });
  if (proxy.mode === "serve") {
    await warnIfWritable(proxy, path);
    followKeyFile(proxy, path, take);
  }
  return { find: (secret) => table.find(secret) };
}

/** The keys that a file names. Rejects with what is wrong, in words that hold nothing of what is in it. */
async function readKeyFile(file: string): Promise<readonly ValidKeyEntry[]> {
  const { size } = await stat(file).catch(unreadable);
  if (size > largest) throw new Error(`it has ${size} bytes; ${largest} is the most`);
  const found = v.safeParse(keyFileEntries, parse(await readFile(file, "utf8").catch(unreadable)));
  if (found.success) return found.output;
  const [issue] = found.issues;
  throw new Error(`${v.getDotPath(issue) ?? "the whole"}: ${withoutReceived(issue.message)}`);
}

/** Tells of each state of the file that can be read; of one that cannot, the log. */
function followKeyFile(proxy: Setup, file: string, take: (entries: readonly ValidKeyEntry[]) => void): void {
  let watcher: FileWatcher | undefined;
  let told = "";
  let round = 0;

  async function look(): Promise<void> {
    const own = ++round;
    try {
      const entries = await readKeyFile(file);
      // A later look knows better.
      if (own === round && !proxy.signal.aborted) take(entries);
      told = "";
    } catch (error) {
      const why = textOf(error);
      if (why !== told) proxy.log.error(`the keys stay as they were, because of ${file}: ${why}`);
      told = why;
    }
  }

  proxy.onReady(async () => {
    if (proxy.signal.aborted) return;
    watcher = watchFiles(() => void look(), { onError: () => undefined }); // The interval does without.
    watcher.set([file]);
    await look(); // It may have changed since it was read.
  });
  proxy.every(interval, look);
  proxy.onClose(() => watcher?.close());
}

async function warnIfWritable({ log }: Setup, file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined); // That it is not there is told elsewhere.
  if (process.platform !== "win32" && found !== undefined && (found.mode & 0o002) !== 0)
    log.warn(`anybody on this machine can add keys: ${file} is writable by all; chmod o-w`);
}

function unreadable(error: NodeJS.ErrnoException): never {
  throw new Error(error.code === "ENOENT" ? "there is no such file" : `it cannot be read: ${error.code ?? "unknown"}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is no valid JSON"); // The words of JSON.parse hold a piece of the text.
  }
}
