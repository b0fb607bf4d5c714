import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";

export interface Curl {
  readonly stdin: NodeJS.WritableStream;
  /** So far. */
  readonly printed: Readonly<Printed>;
  readonly done: Promise<CurlResult>;
}

export interface Printed {
  stdout: string;
  /** Errors; with `-v` the conversation too. */
  stderr: string;
}

export interface CurlResult extends Readonly<Printed> {
  /** Curl's exit code: https://curl.se/docs/manpage.html#EXIT */
  readonly code: number | null;
}

/** Starts curl without the user's own settings. */
export function startCurl(args: readonly string[]): Curl {
  const child = spawn("curl", ["-q", "-sS", "--noproxy", "*", "--max-time", "20", ...args]);
  onTestFinished(() => void child.kill());
  // A curl that does not want its input closes it.
  child.stdin.on("error", () => {});
  const printed: Printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => (printed[name] += text));
  }
  const done = new Promise<CurlResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...printed }));
  });
  return { stdin: child.stdin, printed, done };
}

/** Runs curl to its end. */
export function curl(args: readonly string[], stdin: string | Uint8Array = ""): Promise<CurlResult> {
  const started = startCurl(args);
  started.stdin.end(stdin);
  return started.done;
}
