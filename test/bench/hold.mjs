import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { residentBytes, spawnOn } from "./machine.mjs";
import { fixed, megabytes, renderTable, spread, whole } from "./table.mjs";

const folder = new URL(".", import.meta.url).pathname;
const wanted = 20_000;
/** Of the descriptors that a process may have, those that connections may take. */
const usable = 0.9;
const broadcasts = 10;

/**
 * Twenty thousand connections on one machine, first idle and then each with a stream of its own: whether all are taken
 * and every event arrives, and what one costs. A stream takes two descriptors of a proxy and an idle connection one, so
 * there are as many processes as their limit demands.
 */
export async function benchHold({ rounds = broadcasts }, print) {
  const limit = descriptorLimit();
  const proxies = Math.ceil((wanted * 2) / (limit * usable));
  const sides = Math.max(2, Math.ceil(wanted / (limit * usable)));
  const children = [];
  const start = (file, args = []) => startChild(children, file, args);
  try {
    const upstreams = await Promise.all(Array.from({ length: sides }, () => start("hold-upstream.mjs")));
    const urls = upstreams.map(({ port }) => `http://127.0.0.1:${port}`);
    const workers = await Promise.all(Array.from({ length: proxies }, () => start("hold-proxy.mjs", urls)));
    const clients = await Promise.all(Array.from({ length: sides }, () => start("hold-clients.mjs")));
    const world = { upstreams, workers, clients, ports: workers.map(({ port }) => port) };
    await openAll(world, "/warm", 3_000);
    await leaveAll(world);
    const before = memoryOf(workers);
    print(`Opening ${wanted} idle connections to ${proxies} processes (${limit} descriptors each) ...`);
    const idle = await openAll(world, "/idle", wanted);
    const idleMemory = memoryOf(workers).map((bytes, i) => bytes - before[i]);
    await leaveAll(world);
    print(`Opening ${wanted} streams ...`);
    const base = memoryOf(workers);
    const streams = await openAll(world, "/stream", wanted);
    const held = await countStreams(world);
    const arrivals = [];
    for (let round = 1; round <= rounds; round++) arrivals.push(await broadcast(world, round * held));
    const total = memoryOf(workers);
    const streamMemory = total.map((bytes, i) => bytes - base[i]);
    const counts = await countClients(world);
    await leaveAll(world);
    const { seconds, active } = await settle(world);
    const figures = {
      limit,
      proxies,
      idle,
      idleMemory,
      streams,
      held,
      arrivals,
      streamMemory,
      total,
      counts,
      seconds,
      active,
    };
    return report({ ...figures, events: rounds * held }, print);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

async function startChild(children, file, args) {
  const stdio = ["ignore", "inherit", "inherit", "ipc"];
  const child = spawnOn(undefined, process.execPath, [join(folder, file), ...args], {
    stdio,
    env: { ...process.env, NODE_ENV: "production" },
  });
  children.push(child);
  const [told] = await once(child, "message");
  return { child, pid: child.pid, port: told.port };
}

async function ask({ child }, message) {
  const answer = once(child, "message");
  child.send(message);
  return (await answer)[0];
}

/** Spread over all proxies, from as many addresses as the ports of one cannot do. */
async function openAll({ clients, ports }, path, count) {
  const started = performance.now();
  const share = Math.ceil(count / clients.length);
  const told = await Promise.all(
    clients.map((client, i) => ask(client, { do: "open", count: share, ports, path, from: 2 + i * 20 })),
  );
  return { seconds: (performance.now() - started) / 1000, p99: Math.max(...told.map(({ p99 }) => p99)) };
}

async function leaveAll({ clients, workers }) {
  await Promise.all(clients.map((client) => ask(client, { do: "leave" })));
  await settle({ workers });
}

async function countClients({ clients }) {
  const all = await Promise.all(clients.map((client) => ask(client, { do: "count" })));
  const sum = (key) => all.reduce((total, each) => total + each[key], 0);
  return { refused: sum("refused"), dropped: sum("dropped"), events: sum("events"), open: sum("open") };
}

async function countStreams({ upstreams }) {
  const all = await Promise.all(upstreams.map((upstream) => ask(upstream, { do: "count" })));
  return all.reduce((total, { open }) => total + open, 0);
}

/** One event on each stream; the milliseconds until the last client has it. */
async function broadcast({ upstreams, clients }, expected) {
  const started = performance.now();
  await Promise.all(upstreams.map((upstream) => ask(upstream, { do: "broadcast" })));
  while (performance.now() - started < 30_000) {
    if ((await countClients({ clients })).events >= expected) break;
    await sleep(5);
  }
  return performance.now() - started;
}

/** Until the proxies have nothing under way and the descriptors are back. */
async function settle({ workers }) {
  const started = performance.now();
  let active = 1;
  while (performance.now() - started < 30_000) {
    const told = await Promise.all(workers.map((worker) => ask(worker, {})));
    active = told.reduce((total, each) => total + each.active, 0);
    if (active === 0 && workers.every(({ pid }) => descriptors(pid) < 100)) break;
    await sleep(100);
  }
  return { seconds: (performance.now() - started) / 1000, active };
}

function memoryOf(workers) {
  return workers.map(({ pid }) => residentBytes(pid));
}

function descriptors(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function descriptorLimit() {
  const limits = readFileSync("/proc/self/limits", "latin1");
  const soft = /Max open files\s+(\d+|unlimited)/.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? 1_000_000 : Number(soft);
}

function report(figures, print) {
  const { proxies, idle, idleMemory, streams, held, arrivals, streamMemory, total, counts, seconds, active, events } =
    figures;
  const per = (bytes) => (sum(bytes) / wanted / 1024).toFixed(1);
  const rows = [
    ["processes", `${proxies}`],
    ["idle connections: s until all are open", fixed(1)(idle.seconds)],
    ["idle connections: KB each", per(idleMemory)],
    ["streams: s until all are open", fixed(1)(streams.seconds)],
    ["streams: ms until one is open, p99", fixed(0)(streams.p99)],
    ["streams held", whole(held)],
    ["streams: KB each", per(streamMemory)],
    ["all processes, resident memory, MB", megabytes(sum(total))],
    ["ms until an event is on all streams", spread(arrivals, fixed(0))],
    ["events that arrived", `${whole(counts.events)} of ${whole(events)}`],
    ["connections refused, dropped", `${counts.refused}, ${counts.dropped}`],
    ["s until all is given back after the clients left", fixed(1)(seconds)],
  ];
  print(renderTable(`${whole(wanted)} connections held`, ["", "measured"], rows));
  const lost = events - counts.events;
  const given = active === 0 && seconds <= 30;
  return {
    results: figures,
    goals: [
      goal(
        "20,000 streams held, none refused or dropped",
        `${whole(held)}`,
        held === wanted && counts.refused + counts.dropped === 0,
      ),
      goal("every event delivered", `${lost} lost`, lost === 0 && events > 0),
      goal("40 KB per stream or less", `${per(streamMemory)} KB`, sum(streamMemory) / wanted <= 40 * 1024),
      goal("1.2 GB in all or less", `${megabytes(sum(total))} MB`, sum(total) <= 1.2e9),
      goal("all of it open in 30 s", `${fixed(1)(streams.seconds)} s`, streams.seconds <= 30),
      goal("counts at zero and descriptors back 30 s after the clients left", `${fixed(1)(seconds)} s`, given),
    ],
  };
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function goal(text, value, met) {
  return { goal: `hold: ${text}`, value, met };
}
