import { spawnSync } from "node:child_process";

/** Those of these programs that this machine does not have. */
export function missingPrograms(names) {
  return names.filter((name) => spawnSync("sh", ["-c", 'command -v "$0"', name]).status !== 0);
}
