import { setTimeout as delay } from "node:timers/promises";
import { startLoad } from "../load.mjs";
import { accepts, closedPort, until } from "../world.mjs";
import { createCases, megabytes, must, mustEqual } from "../verdict.mjs";
import { chunk, get, lastChunk, okChunked, within } from "../wire.mjs";

/** Section K of the promises: what happens to processes. */
export const processes = [
  { id: "K1", promise: "SIGTERM under load loses no request, lets streams end, and exits with 0", run: drain },
  { id: "K2", promise: "A rolling restart of all upstreams under load loses no request", run: rollingRestart },
  {
    id: "K4",
    promise: "A reload every 100 ms under load loses no request, a bad config changes nothing",
    run: reloadStorm,
  },
  {
    id: "K5",
    promise: "After an error that no one caught, what is under way ends, then the process, with 1",
    run: uncaught,
  },
  { id: "K8", promise: "A log that is blocked, full or gone costs lines and never an answer", run: blockedLog },
];

async function drain(world) {
  const upstream = await world.upstreamProcess();
  const slow = await world.upstream(async (peer) => {
    for (;;) {
      await peer.request();
      await peer.write(okChunked() + chunk("one"));
      await delay(2_500);
      await peer.write(chunk("two") + lastChunk);
    }
  });
  const targets = [
    { url: upstream.url, target: { id: "fast" } },
    { url: slow.url, target: { id: "slow", weight: 0 } },
  ];
  const plugins = `definePlugin({
      name: "by-path",
      setup(proxy) {
        const of = (id) => proxy.createRoute({ name: id, candidates: (all) => all.filter((target) => target.id === id) });
        const [fast, slow] = [of("fast"), of("slow")];
        return { resolve: (x) => (x.path === "/slow" ? slow : fast) };
      },
    })(),`;
  const proxy = await world.proxy(targets, { plugins, limits: { drainDelay: 500, drainIdle: 1_000 } });
  const load = startLoad(proxy.port, { clients: 50, untilRefused: true });
  const streams = Array.from({ length: 20 }, () => world.exchange(proxy, get("/slow")));
  await until(() => slow.requests.length === streams.length && load.sent > 500, "load and streams are on their way");
  proxy.signal("SIGTERM");
  await within(
    proxy.line(({ event }) => event === "draining", "the drain"),
    "the drain begins",
  );
  mustEqual((await world.exchange(proxy, get("/ready"))).status, 503, "the status of /ready in a drain");
  await until(async () => !(await accepts(proxy.port)), "the port closes", 10_000);
  const whole = (await Promise.all(streams)).filter(({ ending, text }) => ending === "complete" && text === "onetwo");
  const { code } = await within(proxy.exited, "the process ends", 10_000);
  const { sent, answered, refused, failed } = await load.stop();
  mustEqual(failed.slice(0, 3), [], `of ${sent} the first of ${failed.length} lost`);
  const served = proxy.lines.filter(({ path }) => path === "/").length;
  mustEqual(served, answered, `the number of requests that the proxy took, beside ${answered} that were answered,`);
  mustEqual([whole.length, code], [streams.length, 0], "streams that ended whole, and the exit code");
  return {
    kept: true,
    figure: `${answered} answered of ${served} taken, ${refused} not taken when the port closed, 20 of 20 streams whole, exit 0`,
  };
}

async function rollingRestart(world) {
  const rounds = world.full ? 10 : 2;
  const upstreams = await Promise.all(["one", "two", "three"].map((name) => world.upstreamProcess({ name })));
  const plugins =
    "activeHealth({ interval: 100, fall: 1, rise: 1 }), all.outlierEjection?.({ duration: 500, maxDuration: 1_000 }),";
  const proxy = await world.proxy(upstreams, { plugins });
  const names = new Set();
  const load = startLoad(proxy.port, { clients: 50, onAnswer: (text) => names.add(text) });
  await until(() => names.size === 3, "all upstreams serve");
  for (let round = 0; round < rounds; round++) {
    for (const [index, upstream] of upstreams.entries()) {
      upstream.signal(round % 2 === 0 ? "SIGTERM" : "SIGKILL");
      await within(upstream.exited, "the upstream ends");
      await delay(200);
      const name = `${index}, round ${round}`;
      upstreams[index] = await world.upstreamProcess({ port: upstream.port, name });
      await until(() => names.has(name), "the new upstream serves", 10_000);
    }
  }
  const { sent, failed } = await load.stop();
  const flags = proxy.lines.filter(({ status }) => status >= 500).map(({ flag, attempts }) => `${flag}/${attempts}`);
  const seen = [...new Set(flags)].join(" ");
  mustEqual(failed.length, 0, `of ${sent} GETs over ${rounds * 3} restarts, the number lost (flag/attempts ${seen})`);
  return { kept: true, figure: `0 of ${sent} GETs lost over ${rounds * 3} restarts, by SIGTERM and kill -9 in turn` };
}

async function reloadStorm(world) {
  const rounds = world.full ? 600 : 50;
  const upstream = await world.upstreamProcess();
  const proxy = await world.proxy([upstream]);
  const load = startLoad(proxy.port, { clients: 20 });
  await until(() => load.sent > 2_000, "the load runs", 20_000);
  const before = proxy.memory();
  for (let round = 0; round < rounds; round++) {
    if (round % 5 === 4) proxy.write("export default { plugins: [");
    else proxy.rewrite([{ url: upstream.url, labels: { round: String(round) } }]);
    proxy.signal("SIGHUP");
    await delay(100);
  }
  const refused = () => proxy.errors.filter(({ event }) => event === "reload-failed").length;
  const taken = () => proxy.lines.filter(({ event }) => event === "reloaded").length;
  await until(() => refused() + taken() > rounds / 4, "reloads", 10_000);
  const { sent, failed } = await load.stop();
  const grown = proxy.memory() - before;
  mustEqual(failed.slice(0, 3), [], `of ${sent} the first of ${failed.length} lost`);
  must(taken() > 0 && refused() > 0, `${taken()} reloads taken, ${refused()} refused: both must be seen`);
  return {
    kept: true,
    figure: `0 of ${sent} lost over ${taken()} reloads and ${refused()} refused ones; memory ${megabytes(grown)} more`,
  };
}

async function uncaught(world) {
  const cases = createCases();
  for (const [name, faulty] of [
    ["an exception in a timer", 'setTimeout(() => { throw new Error("boom"); }, 10)'],
    ["a rejection", 'void Promise.reject(new Error("boom"))'],
  ]) {
    await cases.try(name, async () => {
      const upstream = await world.upstream();
      const plugins = `definePlugin({
        name: "faulty",
        setup: () => ({ request(x) { if (x.path === "/boom") { ${faulty}; return { status: 204 }; } } }),
      })(),`;
      const proxy = await world.proxy([upstream], { plugins, limits: { drainDelay: 0, drainIdle: 0 } });
      const client = await world.client(proxy);
      await client.send(get("/stream"));
      const peer = await within(upstream.accept(), "a connection to the upstream");
      await peer.request();
      await peer.write(okChunked() + chunk("one"));
      mustEqual((await world.exchange(proxy, get("/boom"))).status, 204, "the status");
      await proxy.line(({ event }) => event === "fatal", "a line that says fatal");
      await peer.write(chunk("two") + lastChunk);
      const { text, ending } = await within(client.response(), "the stream under way");
      mustEqual([text, ending], ["onetwo", "complete"], "the stream under way");
      mustEqual((await within(proxy.exited, "the process ends")).code, 1, "the exit code");
    });
  }
  return cases.verdict("faults end the process with 1 and nothing else");
}

async function blockedLog(world) {
  const cases = createCases();
  const count = 5_000;
  for (const stdout of ["unread", "full", "closed"]) {
    await cases.try(stdout, async () => {
      const upstream = await world.upstreamProcess();
      const proxy = await world.proxy([upstream], { stdout, port: await closedPort() });
      await until(() => accepts(proxy.port), "the proxy listens");
      const load = startLoad(proxy.port, { clients: 20, path: `/${"a".repeat(200)}` });
      await until(() => load.sent > count, `${count} requests`, 20_000);
      const { sent, failed } = await load.stop();
      mustEqual(failed.slice(0, 3), [], `of ${sent} the first of ${failed.length} lost`);
      must(proxy.lives(), "the process ended");
    });
  }
  return cases.verdict(`broken logs cost nothing, ${count} requests each`);
}
