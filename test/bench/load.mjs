// The clients: raw sockets with requests made beforehand, started by the bench with an IPC channel. Each message is one
// job; the answer is what was measured or `{ failure }`.
import { holdStreams, measureStreams } from "./load-streams.mjs";
import { measureRequests } from "./load-requests.mjs";

const jobs = { requests: measureRequests, streams: measureStreams, hold: holdStreams };
/** Lets go of what a `hold` job keeps open. */
let release = () => {};

process.on("disconnect", () => process.exit(0));
process.on("message", (job) => void run(job));

async function run(job) {
  try {
    if (job.kind === "release") release();
    const measured = job.kind === "release" ? {} : await jobs[job.kind](job);
    if (measured.release !== undefined) release = measured.release;
    process.send({ ...measured, release: undefined });
  } catch (error) {
    process.send({ failure: error instanceof Error ? error.message : String(error) });
  }
}
