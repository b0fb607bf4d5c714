import { execFile } from "node:child_process";
import { type Finished, run } from "../core/cli/_cli.ts";

export { run };

/** Runs an executable file to its end. */
export function launchFile(file: string, args: readonly string[], cwd: string): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env: { ...process.env, NO_COLOR: "1" } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : null;
      resolve({ code, stdout, stderr });
    });
  });
}
