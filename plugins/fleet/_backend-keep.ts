import type { Backend } from "./_backend-options.ts";
import { pause } from "./_backend-pause.ts";
import { type BackendSite, type RunEnd, runBackend } from "./_backend-run.ts";

/** Lines of its output that are told when it ends. */
const lastLines = 5;

/** Runs a backend again and again until `signal` aborts, or it was started too often. */
export async function keepRunning(site: BackendSite, signal: AbortSignal): Promise<void> {
  const { board, log, output, random } = site;
  let failures = 0;
  while (!signal.aborted) {
    const end = await runBackend(site, signal);
    output.end();
    if (signal.aborted) return;
    site.terms().ended?.(end);
    const { name, restart } = site.terms().options;
    const { restarts } = board.status;
    const { reason, upFor, refused } = end;
    if (!refused && restarts >= restart.max) {
      board.set({ state: "dead", reason: `${reason}; given up after ${restarts} restarts`, pid: undefined });
      log.error(`${name} ${reason}; it is given up after ${restarts} restarts${wroteLast(site, end)}`);
      return;
    }
    if (upFor >= restart.reset) failures = 0;
    const wait = backoff(restart, failures++, random);
    const next = `next start in ${(wait / 1_000).toFixed(1)} s`;
    board.set({ state: "waiting", reason: `${reason}; ${next}`, pid: undefined });
    log.warn(`${name} ${refused ? "is not started: " : ""}${reason}; ${next}${wroteLast(site, end)}`);
    await pause(wait, signal);
    if (!refused && !signal.aborted) board.set({ restarts: restarts + 1 });
  }
}

function wroteLast({ output }: BackendSite, { refused }: RunEnd): string {
  const lines = refused ? [] : output.last(lastLines);
  return lines.length === 0 ? "" : `. It wrote last:\n${lines.map((line) => `  ${line.slice(0, 500)}`).join("\n")}`;
}

/** Doubled by each start in a row, and moved at random: what fell together must not rise together. */
function backoff({ delay, maxDelay, jitter }: Backend["restart"], failures: number, random: () => number): number {
  const wait = Math.min(Math.max(delay, maxDelay), delay * 2 ** Math.min(failures, 30));
  return Math.round(wait * (1 + jitter * (2 * random() - 1)));
}
