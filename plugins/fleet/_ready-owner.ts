import { readlink } from "node:fs/promises";
import { listNames, listProcesses, type ProcessEntry, readText } from "./_child-processes.ts";

/**
 * The process that listens on a port of this machine, where the system tells: Linux, and a process of this user. Those
 * of `group` are looked at first, which saves the others where it is one of them.
 */
export async function findListener(port: number, group?: number): Promise<ProcessEntry | undefined> {
  const sockets = await listeningSockets(port);
  if (sockets.size === 0) return undefined;
  const rank = (entry: ProcessEntry): number => (entry.group === group ? 0 : 1);
  for (const entry of (await listProcesses()).toSorted((a, b) => rank(a) - rank(b))) {
    if (await holds(entry.pid, sockets)) return entry;
  }
  return undefined;
}

/** Their inodes, as `socket:[12345]`. Fields as in proc_net_tcp(5): sl, local address, remote address, state ... inode. */
async function listeningSockets(port: number): Promise<ReadonlySet<string>> {
  const tables = await Promise.all([readText("/proc/net/tcp"), readText("/proc/net/tcp6")]);
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const listening = "0A";
  const found = new Set<string>();
  for (const line of tables.join("\n").split("\n")) {
    const fields = line.trim().split(/\s+/u);
    if (fields[1]?.endsWith(local) === true && fields[3] === listening) found.add(`socket:[${fields[9]}]`);
  }
  return found;
}

async function holds(pid: number, sockets: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  for (const name of await listNames(folder)) {
    // It may be closed by now.
    if (sockets.has(await readlink(`${folder}/${name}`).catch(() => ""))) return true;
  }
  return false;
}
