import { existsSync, type FSWatcher, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import * as v from "valibot";
import { definePlugin, type Plugin, type Setup } from "../../core/index.ts";

export interface FileExistsOptions {
  /** Of a file or directory; from the working directory, where it is not absolute. */
  path: string;
  /** The name it is asked for by, where a config has several. @default "file-exists" */
  name?: string;
}

const text = v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"));

const schema = v.strictObject({
  path: v.pipe(v.string(), v.nonEmpty("Expected the path of a file")),
  name: v.optional(text, "file-exists"),
} satisfies { [K in keyof Required<FileExistsOptions>]: v.GenericSchema<FileExistsOptions[K], unknown> });

/**
 * Holds while a file exists: a switch for operators and their scripts.
 *
 * `touch` opens what waits for it, `rm` closes it, and neither needs a reload. What is in the file is never looked at; a
 * link counts as what it leads to. A change is told of at once where its directory can be watched, which it can when it
 * is there at the start and on a file system that tells of changes; otherwise it is seen when the condition is asked
 * next, within a second.
 *
 * @example
 * listeners: { compat: { port: 5000, when: fileExists({ path: "/run/plugboard/open" }) } }
 */
export const fileExists: (options: FileExistsOptions) => Plugin = definePlugin({
  name: "file-exists",
  options: schema,
  multiple: true,
  setup(proxy, { path, name }) {
    const file = resolve(path);
    proxy.provide("condition", name, {
      // It never throws: what may not be looked at is not there.
      holds: () => existsSync(file),
      why: () => `there is no file ${file}`,
      onChange: (changed) => watchName(proxy, file, changed),
    });
  },
});

/** Tells of each change to the name in its directory, until the generation is over. */
function watchName({ mode, signal }: Setup, file: string, changed: () => void): void {
  if (mode !== "serve" || signal.aborted) return;
  let watcher: FSWatcher;
  try {
    watcher = watch(dirname(file), { persistent: false }, (_, name) => {
      if (name === null || name === basename(file)) changed();
    });
  } catch {
    return; // There is no such directory yet, or no watch to be had: it is asked once a second.
  }
  watcher.on("error", () => watcher.close()); // Likewise.
  signal.addEventListener("abort", () => watcher.close(), { once: true });
}
