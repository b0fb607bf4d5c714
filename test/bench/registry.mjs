import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds, planCores, residentBytes, spawnOn } from "./machine.mjs";
import { fixed, median, megabytes, renderTable, spread } from "./table.mjs";

const main = new URL("../../dist/core/cli/main.js", import.meta.url).pathname;
const folder = new URL(".", import.meta.url).pathname;
const services = 10_000;
/** Milliseconds between two heartbeats of a service. */
const beat = 10_000;
const changes = 20;

/**
 * A registry of ten thousand services and a router behind it, both as a user would start them: what the heartbeats
 * cost, and how long it takes until a service that registers or leaves is seen by the router's clients.
 */
export async function benchRegistry({ rounds = 3 }, print) {
  const cores = planCores();
  const children = [];
  try {
    const registry = await startCommand(children, cores.proxy, ["registry", "--port", "0", "--bind", "127.0.0.1"]);
    const fleet = startHelper(children, cores.others, registry.url);
    print(`Registering ${services} services ...`);
    await ask(fleet, { do: "register", count: services });
    const flags = ["--router-port", "0", "--bind", "127.0.0.1", "--registry-url", registry.url];
    const router = await startCommand(children, cores.others, ["router", ...flags]);
    await knows(router.url, services);
    await ask(fleet, { do: "beat", every: beat });
    const shares = [];
    for (let round = 0; round < rounds; round++) shares.push(await shareOfCore(registry.pid));
    const { sent, failed } = await ask(fleet, { do: "count" });
    const times = { come: [], go: [] };
    for (let n = 0; n < changes; n++) {
      const { come, go } = await ask(fleet, { do: "change", name: `late-${n}`, router: router.url });
      times.come.push(come);
      times.go.push(go);
    }
    return report({ shares, sent, failed, times, memory: residentBytes(registry.pid) }, print);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

async function startCommand(children, cores, args) {
  const child = spawnOn(cores, process.execPath, [main, ...args, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  children.push(child);
  let output = "";
  for await (const chunk of child.stdout) {
    output += chunk;
    const lines = output.split("\n").slice(0, -1);
    const ready = lines.find((line) => line.includes('"event":"ready"'));
    if (ready === undefined) continue;
    child.stdout.resume();
    return { pid: child.pid, url: JSON.parse(ready).urls[0] };
  }
  throw new Error(`plugboard ${args[0]} ended before it was ready:\n${output}`);
}

function startHelper(children, cores, registry) {
  const stdio = ["ignore", "inherit", "inherit", "ipc"];
  const child = spawnOn(cores, process.execPath, [join(folder, "registry-fleet.mjs"), registry], { stdio });
  children.push(child);
  child.once("exit", (code) => {
    if (code !== null && code !== 0) throw new Error(`registry-fleet.mjs ended with code ${code}`);
  });
  return child;
}

async function ask(child, message) {
  const answer = once(child, "message");
  child.send(message);
  return (await answer)[0];
}

/** Until the router has them all. */
async function knows(url, count) {
  for (let tries = 0; tries < 600; tries++) {
    const { healthy_services: told } = await (await fetch(`${url}/health`)).json();
    if (told === `${count}/${count}`) return;
    await sleep(100);
  }
  throw new Error(`the router did not learn of ${count} services`);
}

/** The part of a core that a process uses while each service sends one heartbeat. */
async function shareOfCore(pid) {
  const [cpu, time] = [cpuSeconds(pid), performance.now()];
  await sleep(beat);
  return (cpuSeconds(pid) - cpu) / ((performance.now() - time) / 1000);
}

function report({ shares, sent, failed, times, memory }, print) {
  const percent = (value) => `${(value * 100).toFixed(1)}`;
  const rows = [
    ["registry, percent of one core", spread(shares, percent)],
    ["registry, resident memory, MB", megabytes(memory)],
    ["a service comes: ms until the router's clients reach it", spread(times.come, fixed(1))],
    ["a service goes: ms until the router's clients are told so", spread(times.go, fixed(1))],
    ["heartbeats sent", `${sent}`],
    ["heartbeats refused or lost", `${failed}`],
  ];
  const title = `A registry of ${services} services, a heartbeat of each every ${beat / 1000} s`;
  print(renderTable(title, ["", "median (min-max)"], rows));
  const slowest = Math.max(median(times.come), median(times.go));
  return {
    results: { shares, sent, failed, times, memory },
    goals: [
      goal("heartbeats within 25 % of a core", `${percent(median(shares))} %`, median(shares) <= 0.25),
      goal("a change reaches clients of the router in less than 100 ms", `${fixed(1)(slowest)} ms`, slowest < 100),
      goal("no heartbeat lost", `${failed}`, failed === 0 && sent > 0),
    ],
  };
}

function goal(text, value, met) {
  return { goal: `registry: ${text}`, value, met };
}
