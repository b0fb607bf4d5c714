import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { endsWithThis } from "./proxy-process.mjs";

const program = fileURLToPath(new URL("upstream-program.mjs", import.meta.url));

/** Starts an upstream as a process. */
export async function spawnUpstream({ port = 0, name = "upstream", backlog = 4_096 } = {}) {
  const child = spawn(process.execPath, [program, port, name, backlog].map(String), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  endsWithThis(child);
  const exited = once(child, "exit");
  const listening = once(child.stdout, "data").then(([bytes]) => Number(bytes.toString()));
  const failed = exited.then(([code]) => Promise.reject(new Error(`an upstream ended with ${code}`)));
  failed.catch(() => {}); // Later on it ends because it is told to.
  const opened = await Promise.race([listening, failed]);
  return {
    port: opened,
    url: `http://127.0.0.1:${opened}`,
    signal: (signal) => void child.kill(signal),
    exited,
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
  };
}
