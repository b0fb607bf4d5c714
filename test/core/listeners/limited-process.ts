import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";

export interface ProcessLimits {
  /** File descriptors. */
  readonly descriptors?: number;
  /** MiB of the old space. */
  readonly heap?: number;
}

/** A process that has little of something, and does what it is told; killed when the test is over. */
export interface LimitedProcess {
  /** Its first message. */
  readonly port: number;
  /** What it logged. */
  readonly lines: readonly string[];
  order(order: string, argument?: unknown): Promise<unknown>;
}

interface Message {
  readonly line?: string;
  readonly answer?: unknown;
}

export async function limitedProcess(
  program: URL,
  args: readonly string[],
  { descriptors, heap }: ProcessLimits,
): Promise<LimitedProcess> {
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors} && `;
  const flags = heap === undefined ? [] : [`--max-old-space-size=${heap}`];
  const child = spawn("sh", ["-c", `${limit}exec "$0" "$@"`, process.execPath, ...flags, program.pathname, ...args], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = [];
  const answered = (): Promise<unknown> => new Promise((resolve, reject) => void waiting.push({ resolve, reject }));
  child.on("message", ({ line, answer }: Message) => {
    if (line === undefined) waiting.shift()?.resolve(answer);
    else lines.push(line);
  });
  child.on("exit", (code) => waiting.shift()?.reject(new Error(`the process ended with ${code}`)));
  return {
    port: (await answered()) as number,
    lines,
    order(order, argument) {
      child.send({ order, argument });
      return answered();
    },
  };
}
