// npm run soak [-- options]
import { fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endsWithThis } from "./proxy-process.mjs";
import { lookInside } from "./soak/proxy-side.mjs";
import { judge, requestsOf } from "./soak/judge.mjs";
import { createWorld, until } from "./world.mjs";

const usage = `npm run soak                     three minutes of mixed load with faults and reloads, and what is left of it

  --seconds N      so long
  --full           two hours
  --help`;

/** In the first half of them nothing is reloaded: what a request leaves and what a reload leaves are two things. */
const samples = 32;
const reloadEvery = 2_000;
const lastReloads = 500;

process.setMaxListeners(100);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
try {
  await main();
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 2;
}
process.exit();

async function main() {
  const { values } = parseArgs({
    options: { seconds: { type: "string" }, full: { type: "boolean", default: false }, help: { type: "boolean" } },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const seconds = Number(values.seconds ?? (values.full ? 7_200 : 180));
  const world = createWorld({ subject: "plugboard", full: values.full });
  try {
    const rows = judge(await soak(world, seconds));
    for (const { promise, kept, figure } of rows)
      process.stdout.write(`${kept ? "kept" : "NOT "}  ${promise}\n      ${figure}\n`);
    const kept = rows.filter((row) => row.kept).length;
    process.stdout.write(`\nNode ${process.version}, ${availableParallelism()} cores, ${seconds} s\n`);
    process.stdout.write(`${kept} of ${rows.length} kept\n`);
    if (kept < rows.length) process.exitCode = 1;
  } finally {
    await world.close();
  }
}

/** Runs the load and stops it for each sample: what is under way is then the long streams, each time. */
async function soak(world, seconds) {
  const upstreams = await Promise.all([0.03, 0, 0].map((faults) => startChild("upstream.mjs", faults)));
  const targets = upstreams.map(({ first }) => ({ url: `http://127.0.0.1:${first.port}` }));
  const options = { flags: ["--expose-gc"], stdout: "events", plugins: `${lookInside} sse(),` };
  const proxy = await world.proxy(targets, options);
  const told = (name) => [...proxy.lines, ...proxy.errors].filter(({ event }) => event === name).length;
  const inside = () => world.json(proxy, "/inside");
  // The first reload loads what the others use, and so does the first look.
  const reload = (round) => {
    proxy.rewrite(targets.map((target) => ({ ...target, labels: { round: String(round % 10) } })));
    proxy.signal("SIGHUP");
  };
  reload(0);
  await proxy.line(({ event }) => event === "reloaded", "a reload");
  await inside();
  const before = { ...(await inside()), descriptors: proxy.descriptors() };
  const load = await startChild("load.mjs", proxy.port);
  const taken = [];
  let reloads = 1;
  for (let index = 0; index < samples; index++) {
    await load.order("go");
    const end = performance.now() + (1_000 * seconds) / samples;
    const reloading = index >= samples / 2;
    for (; performance.now() < end; await delay(Math.max(0, Math.min(reloadEvery, end - performance.now()))))
      if (reloading) reload(reloads++);
    const { counts } = await load.order("pause");
    if (reloading) await until(() => told("reloaded") + told("reload-failed") === reloads, "the reload", 10_000);
    taken.push({ requests: requestsOf(counts), reloads: told("reloaded"), ...(await inside()) });
  }
  const { counts, others } = await load.order("end");
  const endedAt = performance.now();
  const settled = async () => (await inside()).active <= 1 && proxy.descriptors() <= before.descriptors + 2;
  await until(settled, "nothing is under way or open", 15_000).catch(() => {});
  const after = { ...(await inside()), descriptors: proxy.descriptors(), ms: performance.now() - endedAt };
  const left = await leftByReloads({ proxy, told, inside });
  const broken = (await Promise.all(upstreams.map((upstream) => upstream.order("counts")))).map((each) => each.broken);
  const reloaded = { taken: told("reloaded"), refused: told("reload-failed") };
  return { taken, counts, others, broken, before, after, left, reloaded, lives: proxy.lives(), seconds };
}

/** Bytes in the heap for each of many reloads of the same file while nothing else goes on. */
async function leftByReloads({ proxy, told, inside }) {
  const reload = async () => {
    const before = told("reloaded");
    proxy.signal("SIGHUP");
    await until(() => told("reloaded") > before, "a reload", 10_000);
  };
  // What loads configs warms up as well.
  for (let index = 0; index < lastReloads; index++) await reload();
  const { heapUsed } = await inside();
  for (let index = 0; index < lastReloads; index++) await reload();
  return ((await inside()).heapUsed - heapUsed) / lastReloads;
}

/** A program of the soak as a process; `order` asks it for something and waits for the answer. */
async function startChild(file, argument) {
  const child = fork(fileURLToPath(new URL(`soak/${file}`, import.meta.url)), [String(argument)]);
  endsWithThis(child);
  const order = async (what) => {
    const answer = once(child, "message");
    child.send(what);
    return (await answer)[0];
  };
  const first = file === "upstream.mjs" ? (await once(child, "message"))[0] : undefined;
  return { first, order };
}
