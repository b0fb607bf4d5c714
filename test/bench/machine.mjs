import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

/** Where an executable is, or undefined. nginx and HAProxy live in sbin, which is not in every user's PATH. */
export function findExecutable(name) {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => isExecutable(path));
}

/**
 * One core for the proxy, the others for the upstream and the load.
 * @returns {{ proxy: string | undefined, others: string | undefined, note: string }}
 */
export function planCores() {
  const allowed = allowedCores();
  if (findExecutable("taskset") === undefined) return unpinned("no taskset here");
  if (allowed.length < 2) return unpinned("only one core here");
  const proxy = allowed.at(-1);
  const others = allowed.slice(0, -1).join(",");
  return { proxy, others, note: `proxy on core ${proxy}, upstream and load on ${others}` };
}

/** Starts a program on given cores; without cores wherever the system likes. */
export function spawnOn(cores, command, args, options) {
  if (cores === undefined) return spawn(command, args, options);
  // taskset replaces itself by the program, so the pid is the program's own.
  return spawn("taskset", ["-c", cores, command, ...args], options);
}

/** CPU seconds a process has used, user and system, all its threads; time stolen from the machine is not in it. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold spaces; utime and stime are the 14th and 15th field, the state is the 3rd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Bytes of a process that are in memory. */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

export function describeMachine() {
  const [first] = cpus();
  return `Node ${process.versions.node}, ${cpus().length} cores, ${first?.model.trim() ?? "unknown processor"}`;
}

/** USER_HZ, which Linux fixes at 100 for what it shows in /proc. */
const ticksPerSecond = 100;

function unpinned(reason) {
  return { proxy: undefined, others: undefined, note: `${reason}: nothing is pinned, expect more noise` };
}

function allowedCores() {
  const list = /Cpus_allowed_list:\s+(\S+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
  });
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
