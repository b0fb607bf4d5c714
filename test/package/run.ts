import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const repository: string = fileURLToPath(new URL("../../", import.meta.url));

export interface Ran {
  readonly code: number | null;
  /** Of both streams, in the order it came. */
  readonly output: string;
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** The same, for what is only a step: fails with all that was printed. */
export async function mustRun(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, output } = await run(program, args, cwd);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${output}`);
}
