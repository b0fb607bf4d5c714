import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "./wire.mjs";

const command = fileURLToPath(new URL("../../dist/core/cli/main.js", import.meta.url));
const naive = fileURLToPath(new URL("naive-proxy.mjs", import.meta.url));

/**
 * Starts a proxy as a process of its own. `options.plugins` is JavaScript of further plugins, each with a comma behind it,
 * and `more` of further members of the config; `port` is where it listens, then nobody waits for it; `stdout` may be
 * "unread", "closed", "full", or "events" to keep no other lines; `nofile` limits its descriptors, `flags` are Node's; all
 * else is config. Without targets they come from a plugin. With `subject` "naive" it is the 30-line proxy, which knows no
 * options.
 */
export async function startProxy(subject, targets, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "plugboard-torture-"));
  const file = join(folder, "proxy.config.mjs");
  const write = (text) => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  write(configOf(targets, options));
  const { stdout = "pipe", port = 0, nofile, flags = [] } = options;
  const words = subject === "naive" ? [naive, ...targets.map(({ url }) => url)] : [command, "--config", file];
  const limited = nofile === undefined ? [] : ["sh", "-c", `ulimit -n ${nofile} && exec "$0" "$@"`];
  const [program, ...rest] = [...limited, process.execPath, ...flags, ...words, "--port", String(port), "--json"];
  const child = spawn(program, rest, {
    cwd: folder,
    env: { ...process.env, PORT: "" },
    stdio: ["ignore", stdout === "full" ? openSync("/dev/full", "w") : "pipe", "pipe"],
  });
  const lines = [];
  const errors = [];
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  endsWithThis(child);
  if (stdout === "closed") child.stdout.destroy();
  const read = stdout === "pipe" || stdout === "events";
  const changed = watchLines(read ? child.stdout : undefined, child.stderr, { lines, errors, all: stdout === "pipe" });

  const line = (matches, what, milliseconds = 10_000) =>
    within(
      (async () => {
        for (;;) {
          const found = [...lines, ...errors].find(matches);
          if (found !== undefined) return found;
          if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode}: ${showErrors(errors)}`);
          await Promise.race([changed(), exited]);
        }
      })(),
      what,
      milliseconds,
    );
  const proxy = {
    pid: child.pid,
    /** Whether it can tell what is under way. */
    knows: subject !== "naive",
    lines,
    errors,
    exited,
    line,
    port,
    write,
    rewrite: (next, more = options) => write(configOf(next, more)),
    signal: (name) => void child.kill(name),
    /** Bytes of memory that the process has in use now. */
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) * 1024,
    descriptors: () => readdirSync(`/proc/${child.pid}/fd`).length,
    lives: () => child.exitCode === null && child.signalCode === null,
    async close() {
      if (proxy.lives()) child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    if (port === 0) proxy.port = (await line(({ event }) => event === "ready", "the proxy is ready")).port;
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

/** Nothing that this process started outlives it. */
export function endsWithThis(child) {
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
}

/** Reads what the process tells, a JSON object per line; returns what waits for the next one. */
function watchLines(stdout, stderr, { lines, errors, all }) {
  let waiting = [];
  const take = (list) => (text) => {
    const line = parse(text);
    if (!all && list === lines && line.event === undefined) return;
    list.push(line);
    for (const wake of waiting.splice(0)) wake();
  };
  if (stdout !== undefined) createInterface({ input: stdout }).on("line", take(lines));
  createInterface({ input: stderr }).on("line", take(errors));
  return () => new Promise((resolve) => void (waiting = [...waiting, resolve]));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { text }; // Not every line on standard error is JSON: Node itself writes there too.
  }
}

function showErrors(errors) {
  return errors
    .map(({ message, text = "", problems = [] }) =>
      [message ?? text, ...problems.map(({ message: why }) => why)].join(" "),
    )
    .join(" / ")
    .slice(0, 300);
}

function configOf(targets, { plugins = "", more = "", ...options }) {
  const { stdout: _stdout, port: _port, nofile: _nofile, flags: _flags, ...config } = options;
  const named = targets === undefined ? "" : `staticTargets({ targets: ${JSON.stringify(targets)} }),`;
  return `import { definePlugin, defineProxy } from "plugboard";
import * as all from "plugboard/plugins";

const { accessLog, activeHealth, roundRobin, sse, staticTargets, stats } = all;

export default defineProxy({
  ...${JSON.stringify(config)},
  ${more}
  plugins: [
    ${named}
    ${plugins}
    roundRobin(),
    stats(),
    accessLog({ format: "json" }),
  ],
});
`;
}
