import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planCores, spawnOn } from "./machine.mjs";

const folder = new URL(".", import.meta.url).pathname;

/** What every measurement needs: cores, the upstream, the load, a folder for configs. */
export async function openWorld() {
  const cores = planCores();
  const scratch = mkdtempSync(join(tmpdir(), "plugboard-bench-"));
  const upstream = startHelper("upstream.mjs", cores.others);
  const load = startHelper("load.mjs", cores.others);
  const [{ ports }] = await once(upstream, "message");
  return {
    cores,
    scratch,
    upstreamPorts: ports,
    targets: ports.map((port) => `http://127.0.0.1:${port}`),
    /** Gives the load one job and waits for what it measured. */
    measure: (job) => ask(load, job),
    /** Streams the upstream is sending at this moment. */
    openStreams: async () => (await ask(upstream, "streams")).openStreams,
    close() {
      upstream.kill();
      load.kill();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

function startHelper(file, cores) {
  const child = spawnOn(cores, process.execPath, [join(folder, file)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.once("exit", (code) => {
    // Without it every number after this would be wrong.
    if (code !== null && code !== 0) throw new Error(`${file} ended with code ${code}`);
  });
  return child;
}

async function ask(child, message) {
  const answer = once(child, "message");
  child.send(message);
  return (await answer)[0];
}
