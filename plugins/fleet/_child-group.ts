import { setTimeout as delay } from "node:timers/promises";
import { listProcesses } from "./_child-processes.ts";

/** Process groups that must not outlive this process. */
const guarded = new Set<number>();

/** Milliseconds that SIGKILL gets; only a process that hangs in the kernel needs them. */
const killWithin = 5_000;

/** From now on the group is killed when this process exits, however it comes to that as long as its handlers run. */
export function guardGroup(group: number): void {
  if (guarded.size === 0) process.on("exit", killGuarded);
  guarded.add(group);
}

/** The group is gone: its number may soon be another's. */
export function releaseGroup(group: number): void {
  guarded.delete(group);
  if (guarded.size === 0) process.off("exit", killGuarded);
}

/** Sends the signal, after `grace` milliseconds SIGKILL, to all of the group; true when none of it is left. */
export async function endGroup(group: number, grace: number, first: NodeJS.Signals = "SIGTERM"): Promise<boolean> {
  if (await isGone(group)) return true;
  signalGroup(group, first);
  if (await goneWithin(group, grace)) return true;
  return goneWithin(group, killWithin, () => signalGroup(group, "SIGKILL"));
}

async function goneWithin(group: number, milliseconds: number, again = (): unknown => undefined): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  for (let pause = 10; ; pause = Math.min(pause * 2, 250)) {
    again();
    const left = deadline - performance.now();
    await delay(Math.max(0, Math.min(pause, left)));
    if (await isGone(group)) return true;
    if (performance.now() >= deadline) return false;
  }
}

/** Ended processes whose parent never asks for them count as gone: in a container that may be all orphans. */
async function isGone(group: number): Promise<boolean> {
  if (!signalGroup(group, 0)) return true;
  if (process.platform !== "linux") return false;
  return !(await listProcesses()).some((entry) => entry.group === group);
}

/** False when nobody is in the group. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    // EPERM: there is one, and it belongs to another user.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function killGuarded(): void {
  for (const group of guarded) signalGroup(group, "SIGKILL");
}
