import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const root = dirname(require.resolve("../package.json"));
const sources = ["core", "plugins", "package.json", "tsconfig.json", "tsconfig.build.json"];

/**
 * Builds what the tests of the command line start: once, before all of them, and only what is out of date, because
 * another run of the tests may be using it.
 */
export function setup(): void {
  if (changedAt("dist/core/cli/main.js") > Math.max(...sources.map(changedAt))) return;
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  const options = { cwd: root, encoding: "utf8" } as const;
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], options);
  if (status !== 0) throw new Error(`the build failed\n${stdout}`);
}

/** Of a file, or the latest in a directory; 0 if there is none. */
function changedAt(path: string): number {
  const found = statSync(join(root, path), { throwIfNoEntry: false });
  if (found === undefined) return 0;
  if (found.isFile()) return found.mtimeMs;
  return Math.max(found.mtimeMs, ...readdirSync(join(root, path)).map((name) => changedAt(join(path, name))));
}
