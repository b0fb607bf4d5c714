import { startLoad } from "../load.mjs";
import { must, mustEqual } from "../verdict.mjs";
import { get, within } from "../wire.mjs";
import { accepts, closedPort, until } from "../world.mjs";

/** Section K of the promises: several proxies, one of them before the others. One proxy is one process. */
export const behind = [
  {
    id: "K2-proxies",
    promise: "A rolling restart of proxies behind another one loses no request",
    run: rollingProxies,
    naive: false,
  },
  {
    id: "K3",
    promise: "kill -9 of a proxy behind another one loses no GET, and no POST but those on it",
    run: killedProxy,
    naive: false,
  },
  {
    id: "K7",
    promise: "A conditional port opens and closes with its targets, and answers as the other",
    run: conditionalPort,
    naive: false,
  },
];

/** Proxies on ports of their own, and one before them that asks each whether it is ready. */
async function openFleet(world, { count, drainDelay }) {
  const upstream = await world.upstreamProcess();
  const limits = { drainDelay, drainIdle: 500 };
  const start = async (port) => {
    const proxy = await world.proxy([upstream], { port, limits });
    await until(
      async () => (await accepts(port)) && (await world.exchange({ port }, get("/ready"))).status === 200,
      "it is ready",
      10_000,
    );
    return proxy;
  };
  const ports = [];
  while (ports.length < count) ports.push(await closedPort());
  const proxies = await Promise.all(ports.map(start));
  const front = await world.proxy(
    ports.map((port) => ({ url: `http://127.0.0.1:${port}` })),
    { plugins: 'activeHealth({ path: "/ready", interval: 100, timeout: 1_000, fall: 1, rise: 1 }),' },
  );
  return { front, proxies, ports, start };
}

async function rollingProxies(world) {
  const rounds = world.full ? 5 : 1;
  const { front, proxies, ports, start } = await openFleet(world, { count: 3, drainDelay: 1_000 });
  const gets = startLoad(front.port, { clients: 30 });
  const posts = startLoad(front.port, { clients: 10, method: "POST" });
  await until(() => gets.sent > 500, "the load runs");
  for (let round = 0; round < rounds; round++) {
    for (const [index, proxy] of proxies.entries()) {
      proxy.signal("SIGTERM");
      mustEqual((await within(proxy.exited, "the proxy ends", 15_000)).code, 0, "its exit code");
      proxies[index] = await start(ports[index]);
    }
  }
  const [got, posted] = [await gets.stop(), await posts.stop()];
  const failed = [...got.failed, ...posted.failed];
  const sent = got.sent + posted.sent;
  mustEqual(failed.slice(0, 3), [], `of ${sent} the first of ${failed.length} lost`);
  return {
    kept: true,
    figure: `0 of ${got.sent} GETs and ${posted.sent} POSTs lost over ${rounds * 3} restarts by SIGTERM`,
  };
}

async function killedProxy(world) {
  const rounds = world.full ? 12 : 4;
  const { front, proxies, ports, start } = await openFleet(world, { count: 3, drainDelay: 0 });
  const clients = 20;
  const gets = startLoad(front.port, { clients });
  const posts = startLoad(front.port, { clients, method: "POST" });
  await until(() => gets.sent > 500, "the load runs");
  const slowest = { ms: 0 };
  for (let round = 0; round < rounds; round++) {
    const index = round % proxies.length;
    proxies[index].signal("SIGKILL");
    await proxies[index].exited;
    const goneAt = performance.now();
    proxies[index] = await start(ports[index]);
    slowest.ms = Math.max(slowest.ms, performance.now() - goneAt);
  }
  const [got, posted] = [await gets.stop(), await posts.stop()];
  mustEqual(got.failed.slice(0, 3), [], `of ${got.sent} GETs the first of ${got.failed.length} lost`);
  must(posted.failed.length <= rounds * clients, `${posted.failed.length} POSTs were lost of ${posted.sent}`);
  must(
    posted.failed.every((why) => why === "status 502"),
    `POSTs ended with ${[...new Set(posted.failed)].join()}`,
  );
  const back = (slowest.ms / 1_000).toFixed(1);
  return {
    kept: true,
    figure: `0 of ${got.sent} GETs and ${posted.failed.length} of ${posted.sent} POSTs lost over ${rounds} kills; back within ${back} s`,
  };
}

async function conditionalPort(world) {
  const port = await closedPort();
  const [one, two] = [await world.upstreamProcess(), await world.upstreamProcess()];
  const more = `listeners: { compat: { port: ${port}, when: all.anyAvailable() } },`;
  const health = "activeHealth({ interval: 50, timeout: 200, fall: 1, rise: 1 }),";
  const proxy = await world.proxy([one, two], { more, plugins: health });
  await until(() => accepts(port), "it opens");
  for (const path of ["/", "/stats", "/nowhere/../x", "/services"]) {
    const [first, second] = [await world.exchange(proxy, get(path)), await world.exchange({ port }, get(path))];
    mustEqual(second.status, first.status, `the status of ${path} there`);
  }
  const started = performance.now();
  one.signal("SIGKILL");
  two.signal("SIGKILL");
  await until(async () => !(await accepts(port)), "it closes without targets");
  const closedAfter = Math.round(performance.now() - started);
  mustEqual((await world.exchange(proxy, get("/"))).status, 503, "the status at the port that stays");
  await world.upstreamProcess({ port: one.port });
  await until(() => accepts(port), "it opens again");
  // A second proxy finds the port taken: it serves all the same.
  const second = await world.proxy([{ url: `http://127.0.0.1:${one.port}` }], { more, plugins: health });
  mustEqual((await world.exchange(second, get("/"))).status, 200, "the status of a proxy that finds it taken");
  await until(() => /EADDRINUSE|in use|taken/.test(JSON.stringify([second.lines, second.errors])), "it says so");
  must(second.lives(), "it ended");
  return {
    kept: true,
    figure: `closed ${closedAfter} ms after the last target, open again with the next; a taken port is a warning`,
  };
}
