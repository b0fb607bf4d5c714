import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";

export interface Serving {
  readonly url: string;
  /** Asks it to end; the exit code that npx passes on. */
  stop(): Promise<number | null>;
}

interface Ready {
  readonly event: string;
  readonly urls: readonly string[];
  readonly pid: number;
}

/** Runs `npx plugboard` in a project, on a free port. */
export async function serve(project: string): Promise<Serving> {
  // A group of its own, so that nothing of it can be left behind.
  const child = spawn("npx", ["--no-install", "plugboard", "--port", "0", "--json"], {
    cwd: project,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  onTestFinished(() => killGroup(child.pid));
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise<Ready>((resolve) => {
    lines.on("line", (line) => {
      output += `${line}\n`;
      const told = line.startsWith("{") ? (JSON.parse(line) as Ready) : undefined;
      if (told?.event === "ready") resolve(told);
    });
  });
  const died = closed.then(([code]) => {
    throw new Error(`npx plugboard ended with ${code}:\n${output}`);
  });
  died.catch(() => {});
  const { urls, pid } = await Promise.race([ready, died]);
  return {
    url: urls[0] ?? "",
    async stop() {
      process.kill(pid, "SIGTERM");
      return (await closed)[0];
    },
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already, as it should be.
  }
}
