import { extname, resolve } from "node:path";
import * as v from "valibot";
import { definePlugin, type FileWatcher, type Plugin, type TargetSpec, watchFiles } from "../../core/index.ts";
import { follow, type Follower, type Told } from "./_follow.ts";
import { readTargetFile, targetFileExtensions } from "./_target-file.ts";
import { interval, poolName } from "./_target-spec.ts";
import { createUnverified } from "./_unverified.ts";

export interface FileTargetsOptions {
  /** A `.json`, `.yaml`, `.yml` or `.toml` file; from the working directory, where it is not absolute. */
  path: string;
  /** The pool they belong to. @default "default" */
  pool?: string;
  /** Milliseconds after which the file is read even if nothing told of a change. @default 30000 */
  interval?: number;
}

const schema: v.GenericSchema<FileTargetsOptions, Required<FileTargetsOptions>> = v.strictObject({
  path: v.pipe(
    v.string(),
    v.check(
      (path) => targetFileExtensions.includes(extname(path).toLowerCase()),
      `Expected the path of a file that ends with ${targetFileExtensions.join(", ")}`,
    ),
  ),
  pool: poolName,
  interval: v.optional(interval, 30_000),
} satisfies Record<keyof FileTargetsOptions, unknown>);

/**
 * Puts the targets of a JSON, YAML or TOML file into a pool, and follows it.
 *
 * The file holds a list of targets as `staticTargets` takes them, or `{ targets: [...] }`; in TOML `[[targets]]` or
 * `targets = ["http://..."]`. A change is taken within a moment, whether the file is written in place, renamed over, or a
 * link that is swapped, as for a ConfigMap; where the file system tells of no changes, after `interval`. A file that is
 * invalid, empty or gone changes nothing: what was known last stays, the source is stale in the status of the proxy, and
 * the log tells what is wrong and where. Rename a new file over the old one all the same: half a YAML file may be valid.
 * `[]` is no fault, and empties the pool. At the start the file must be there and right; `plugboard check` reads it, too.
 * Files over 1 MiB are refused. Whoever may write the file may name other files in the `tls` of a target, which are read at
 * each reload of the config.
 *
 * @example
 * fileTargets({ path: "targets.yaml" });
 */
export const fileTargets: (options: FileTargetsOptions) => Plugin = definePlugin({
  name: "file-targets",
  options: schema,
  multiple: true,
  async setup(proxy, { path, pool, interval: period }) {
    const file = resolve(path);
    // A reload, or an explanation, while the file is being written goes on with what is known.
    const warn = createUnverified(proxy.log);
    const known = proxy.keep<{ targets?: readonly TargetSpec[] }>(file, () => ({}));

    async function ask(): Promise<Told> {
      const { faults, ...read } = await readTargetFile(file);
      if ("targets" in read) known.targets = read.targets;
      warn(known.targets ?? []);
      return { targets: known.targets ?? [], fault: faults && new Error(faults.join("\n")) };
    }

    const read = await readTargetFile(file);
    if (read.faults === undefined) known.targets = read.targets;
    else if (known.targets === undefined) for (const message of read.faults) proxy.problem({ path: "path", message });

    proxy.provide("discovery", `file-targets ${pool} ${path}`, {
      pool,
      async start(sink, signal) {
        if (signal.aborted) return;
        if (proxy.mode !== "serve") return sink.replace(known.targets ?? []);
        let watcher: FileWatcher | undefined;
        const follower: Follower = follow({
          sink,
          signal,
          wait: () => period,
          ask() {
            // Anew: a directory that was replaced is not the one that was watched.
            watcher?.close();
            watcher = watchFiles(() => void follower.ask(), { onError: () => undefined }); // The interval does without.
            watcher.set([file]);
            return ask();
          },
        });
        signal.addEventListener("abort", () => watcher?.close(), { once: true });
        await follower.ask();
      },
    });
  },
});
