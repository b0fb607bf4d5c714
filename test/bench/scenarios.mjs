import { setTimeout as sleep } from "node:timers/promises";
import { residentBytes } from "./machine.mjs";
import { fixed, median, megabytes, spread, whole } from "./table.mjs";

/**
 * A scenario measures one running subject at a time. `rate` is what ratios to `pipe` are made of; `columns` make a table
 * row out of the samples of all rounds.
 */
export const scenarios = [
  requests("post-1k", "POST of a 1 KB chat body, 1 KB reply, 64 connections", 1024, 8),
  requests("post-64k", "POST of a 64 KB chat body, 1 KB reply, 64 connections", 64 * 1024, 4),
  {
    name: "streams",
    title: "256 streams started at once, an event of 200 bytes every 10 ms",
    rounds: 3,
    runs: (subject) => subject.streams !== false,
    run: runStreams,
    rate: (sample) => sample.events / sample.cpu,
    header: ["events/CPU-s", "CPU", "events/s", "first byte ms", "last one ms"],
    columns: (samples) => [
      spread(
        samples.map((s) => s.events / s.cpu),
        whole,
      ),
      load(samples),
      whole(median(samples.map((s) => s.events / s.seconds))),
      spread(
        samples.map((s) => s.firstByte),
        fixed(0),
      ),
      spread(
        samples.map((s) => s.lastFirstByte),
        fixed(0),
      ),
    ],
  },
  {
    name: "latency",
    title: "Latency of a POST of 1 KB at concurrency 1, in microseconds",
    rounds: 3,
    direct: true,
    runs: () => true,
    run: (world, instance, options) => world.measure(requestJob(instance, options, { size: 1024, connections: 1 })),
    header: ["p50", "p99", "added p50", "added p99"],
    columns: (samples, direct) => [
      spread(
        samples.map((s) => s.p50),
        fixed(0),
      ),
      spread(
        samples.map((s) => s.p99),
        fixed(0),
      ),
      fixed(0)(median(samples.map((s, round) => s.p50 - direct[round].p50))),
      fixed(0)(median(samples.map((s, round) => s.p99 - direct[round].p99))),
    ],
  },
  {
    name: "memory",
    title: "Resident memory in MB; per open stream in KB, of 2,000",
    rounds: 1,
    fresh: true,
    runs: () => true,
    run: runMemory,
    header: ["at start", "warm", "per stream"],
    columns: ([sample]) => [
      megabytes(sample.start),
      megabytes(sample.warm),
      sample.stream === undefined ? "-" : fixed(1)(sample.stream / 1000),
    ],
  },
];

function requests(name, title, size, rounds) {
  return {
    name,
    title,
    rounds,
    runs: () => true,
    run: (world, instance, options) => world.measure(requestJob(instance, options, { size, connections: 64 })),
    rate: (sample) => sample.requests / sample.cpu,
    header: ["requests/CPU-s", "CPU", "requests/s"],
    columns: (samples) => [
      spread(
        samples.map((s) => s.requests / s.cpu),
        whole,
      ),
      load(samples),
      whole(median(samples.map((s) => s.requests / s.seconds))),
    ],
  };
}

/** Share of a core that the proxy used; well below 100 % it waited for the load. */
function load(samples) {
  return `${fixed(0)(median(samples.map((s) => (s.cpu / s.seconds) * 100)))} %`;
}

function requestJob(instance, { warm, seconds }, what) {
  return { kind: "requests", ...client(instance), ...what, warm, seconds };
}

function client({ port, pid, headers, rewrites }) {
  return { port, pid, headers, rewrites };
}

async function runStreams(world, instance, { warm, seconds }) {
  const job = { kind: "streams", ...client(instance), streams: 256, interval: 10, warm, seconds };
  const measured = await world.measure(job);
  const left = await streamsLeft(world);
  return left === 0 ? measured : { ...measured, fault: `kept ${left} upstream streams after their clients had left` };
}

async function runMemory(world, instance) {
  const start = residentBytes(instance.pid);
  const warming = requestJob(instance, { warm: 0, seconds: 2 }, { size: 1024, connections: 64 });
  const { failure } = await world.measure(warming);
  if (failure !== undefined) return { failure };
  const warm = residentBytes(instance.pid);
  if (instance.streams === false) return { start, warm };
  const streams = 2000;
  // The first time fills pools and code caches that are not part of a stream.
  const first = await holdStreams(world, instance, 200);
  const before = residentBytes(instance.pid);
  const held = await holdStreams(world, instance, streams);
  const stream = (held.bytes - before) / streams;
  return { start, warm, stream, failure: first.failure ?? held.failure };
}

/** Slow streams, held for a moment: how much memory the subject has then. */
async function holdStreams(world, instance, streams) {
  const { failure } = await world.measure({ kind: "hold", ...client(instance), streams, interval: 1000 });
  await sleep(1500);
  const bytes = residentBytes(instance.pid);
  await world.measure({ kind: "release" });
  await streamsLeft(world);
  return { bytes, failure };
}

/** The streams upstream that are still there a moment after all clients have left. */
async function streamsLeft(world) {
  const deadline = Date.now() + 2000;
  let left = await world.openStreams();
  while (left > 0 && Date.now() < deadline) {
    await sleep(20);
    left = await world.openStreams();
  }
  return left;
}
