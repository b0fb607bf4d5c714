import { must, mustEqual, quantile } from "../verdict.mjs";
import { get, rawClient, within } from "../wire.mjs";
import { until } from "../world.mjs";

/** Sections E and I of the promises: what the proxy itself has too little of. */
export const shedding = [
  {
    id: "E15",
    promise: "Without a descriptor for an upstream the answer is 503, and no target is blamed",
    run: noDescriptor,
    naive: false,
  },
  {
    id: "I4",
    promise: "Connections past the descriptor limit are closed, counted and told of",
    run: flood,
    naive: false,
  },
  {
    id: "I5",
    promise: "With the heap nearly full new work is 503, and streams under way go on",
    run: fullHeap,
    naive: false,
  },
  {
    id: "I6",
    promise: "With a blocked event loop new work is 503 in under 5 ms, /health answers",
    run: blockedLoop,
    naive: false,
  },
];

const told = (proxy, pattern) => [...proxy.lines, ...proxy.errors].filter((line) => pattern.test(JSON.stringify(line)));

async function noDescriptor(world) {
  const upstream = await world.upstreamProcess();
  const proxy = await world.proxy([upstream], {
    nofile: 256,
    limits: { connections: 240 },
    plugins: "all.outlierEjection({ consecutive: 2, share: 1 }),",
  });
  const statuses = [];
  const clients = [];
  while (clients.length < 200) clients.push(await world.client(proxy));
  for (const [index, client] of clients.entries()) {
    await client.send(get("/stream"));
    statuses.push((await within(client.head(), `the answer to stream ${index}`)).status);
  }
  const refused = statuses.filter((status) => status === 503).length;
  mustEqual(
    [...new Set(statuses)].toSorted((a, b) => a - b),
    [200, 503],
    "the statuses",
  );
  const lines = told(proxy, /EMFILE|descriptor/i).length;
  must(lines >= 1 && lines < 20, `${lines} lines tell of it`);
  for (const client of clients) client.destroy();
  await until(async () => (await world.exchange(proxy, get("/"))).status === 200, "it serves again");
  const [{ healthy, failures }] = (await world.json(proxy, "/services")).services;
  mustEqual([healthy, failures], [true, 0], "the target's health and failures");
  return {
    kept: true,
    figure: `${refused} of 200 streams told 503 in ${lines} lines, 0 failures counted, then served again`,
  };
}

async function flood(world) {
  const upstream = await world.upstreamProcess();
  const nofile = 512;
  const most = Math.floor(nofile * 0.45);
  const proxy = await world.proxy([upstream], { nofile });
  const first = await world.client(proxy);
  await first.send(get("/stream"));
  await within(first.head(), "a stream");
  let closed = 0;
  const open = Array.from({ length: 1_000 }, async () => {
    const client = await rawClient(proxy.port);
    world.defer(() => client.destroy());
    client.ending.then(() => closed++);
  });
  await Promise.all(open);
  const excess = 1_000 - (most - 1);
  await until(() => closed >= excess, "the excess is closed");
  await until(() => told(proxy, /connections/).length > 0, "it is told");
  mustEqual(closed, excess, "the number of connections closed");
  await first.send("");
  must((await within(first.reader.line(), "the stream under way")) !== undefined, "it ended");
  must(proxy.descriptors() < nofile * 0.6, `${proxy.descriptors()} of ${nofile} descriptors are in use`);
  return {
    kept: true,
    figure: `${closed} of 1000 closed with ${nofile} descriptors, ${told(proxy, /connections/).length} lines tell of it`,
  };
}

/** A plugin that fills the heap, or blocks the event loop, when it is asked to. */
const burden = `definePlugin({ name: "burden", async setup() {
  const { getHeapSpaceStatistics } = await import("node:v8");
  const kept = [];
  const old = () => getHeapSpaceStatistics().reduce((sum, { space_name, space_used_size }) => space_name.startsWith("new_") ? sum : sum + space_used_size, 0);
  const fill = () => { for (let i = 0; i < 40 && old() < 0.955 * 256 * 2 ** 20; i++) kept.push(new Array(2_000).fill(i)); };
  const block = () => { const end = performance.now() + 600; while (performance.now() < end); };
  let timer;
  const burdens = { "/fill": () => (timer = setInterval(fill, 5)), "/block": () => (timer = setInterval(block, 1)), "/free": () => { clearInterval(timer); kept.length = 0; } };
  return { request: { before: ["overload"], handler(x) {
    if (!Object.hasOwn(burdens, x.path)) return undefined;
    burdens[x.path]();
    return { status: 204 };
  } } };
} })(),`;

async function fullHeap(world) {
  const upstream = await world.upstreamProcess();
  const proxy = await world.proxy([upstream], {
    flags: ["--max-old-space-size=256"],
    plugins: `${burden} all.overload(),`,
  });
  const client = await world.client(proxy);
  await client.send(get("/stream"));
  const stream = await within(client.head(), "a stream");
  await world.exchange(proxy, get("/fill"));
  const refused = await refusals(world, proxy);
  await within(stream.next(), "the stream goes on");
  mustEqual((await world.exchange(proxy, get("/health"))).status, 200, "the status of /health");
  must(proxy.lives(), "the process ended");
  await world.exchange(proxy, get("/free"));
  await until(async () => (await world.exchange(proxy, get("/"))).status === 200, "it serves again", 15_000);
  return {
    kept: true,
    figure: `refused in ${refused.toFixed(1)} ms (median) of 256 MiB, the stream went on, served again after`,
  };
}

async function blockedLoop(world) {
  const upstream = await world.upstreamProcess();
  const proxy = await world.proxy([upstream], { plugins: `${burden} all.overload(),` });
  void world.exchange(proxy, get("/block")).catch(() => {});
  await until(() => told(proxy, /event loop/).length > 0, "it is seen", 10_000);
  mustEqual((await within(world.exchange(proxy, get("/")), "an answer", 10_000)).status, 503, "the status");
  mustEqual((await within(world.exchange(proxy, get("/health")), "an answer", 10_000)).status, 200, "that of /health");
  const free = await rawClient(proxy.port);
  void free.send(get("/free"));
  await within(free.response(), "the end of it", 10_000);
  free.destroy();
  const refused = await refusals(world, proxy);
  await until(async () => (await world.exchange(proxy, get("/"))).status === 200, "it serves again", 10_000);
  must(refused < 5, `it was refused after ${refused.toFixed(1)} ms`);
  return {
    kept: true,
    figure: `503 while turns took 600 ms; then refused in ${refused.toFixed(1)} ms (median) until it was served again`,
  };
}

/** Milliseconds to a 503, the median of 20, once there is one; and each says when to come back. */
async function refusals(world, proxy) {
  const durations = [];
  await until(async () => (await world.exchange(proxy, get("/"))).status === 503, "new work is refused", 15_000);
  while (durations.length < 20) {
    const client = await world.client(proxy);
    const startedAt = performance.now();
    await client.send(get("/"));
    const response = await within(client.response(), "an answer");
    client.destroy();
    if (response.status === 200) break;
    durations.push(performance.now() - startedAt);
    must(Number(response.get("retry-after")) >= 1, "there is no Retry-After");
  }
  must(durations.length > 0, "none was refused");
  return quantile(durations, 0.5);
}
