import { connect } from "node:net";
import { closedPort, until } from "../world.mjs";
import { createCases, must, mustEqual, quantile } from "../verdict.mjs";
import { answering, get, ok, post } from "../wire.mjs";

/** Section E of the promises: faults of an upstream before it has answered. */
export const beforeHead = [
  { id: "E1", promise: "A refused connection costs no request while another target is there", run: refused },
  {
    id: "E2",
    promise: "A target that takes no connection is a 504 in time, and none while there is another",
    run: blackHole,
  },
  {
    id: "E3",
    promise: "A connection that ends before the answer is retried for GET and never for POST",
    run: cutBefore,
  },
  { id: "E5", promise: "A stopped target (SIGSTOP) leaves the rotation by its checks, and comes back", run: stopped },
  { id: "E9", promise: "With no target left the answer is a 503 in under 5 ms", run: noTargets },
];

async function refused(world) {
  const cases = createCases();
  const gone = { url: `http://127.0.0.1:${await closedPort()}` };
  const upstream = await world.upstream(answering(ok()));
  const proxy = await world.proxy([gone, upstream]);
  const alone = await world.proxy([gone]);
  for (let index = 0; index < 40; index++) {
    const bytes = index % 2 === 0 ? get("/") : post("/", "hello");
    await cases.try(`request ${index}`, async () =>
      mustEqual((await world.exchange(proxy, bytes)).status, 200, "the status"),
    );
  }
  await cases.try("no other target", async () => {
    const { status, text } = await world.exchange(alone, get("/"));
    mustEqual(status, 502, "the status");
    must(!text.includes("127.0.0.1"), `the address is told: ${text}`);
  });
  return cases.verdict("answered as they should be, every other first target refused");
}

async function blackHole(world) {
  const cases = createCases();
  const hole = await openBlackHole(world);
  const upstream = await world.upstream(answering(ok()));
  const timeouts = { connect: 500 };
  const proxy = await world.proxy([hole, upstream], { timeouts });
  const alone = await world.proxy([hole], { timeouts });
  const durations = [];
  for (let index = 0; index < 4; index++) {
    await cases.try(`request ${index}`, async () => {
      mustEqual((await world.exchange(proxy, get("/"))).status, 200, "the status");
    });
    await cases.try(`request ${index} without another target`, async () => {
      const startedAt = performance.now();
      mustEqual((await world.exchange(alone, get("/"))).status, 504, "the status");
      durations.push(performance.now() - startedAt);
      must(durations.at(-1) < 1_500, `took ${Math.round(durations.at(-1))} ms`);
    });
  }
  return cases.verdict(`answered in time; 504 after ${Math.round(Math.max(0, ...durations))} ms at most, limit 500`);
}

/** A port whose queue of connections is full: the kernel drops what asks for one more. */
async function openBlackHole(world) {
  const upstream = await world.upstreamProcess({ backlog: 1 });
  upstream.signal("SIGSTOP");
  for (let stuck = 0; stuck < 2;) {
    const socket = connect({ port: upstream.port, host: "127.0.0.1" });
    socket.on("error", () => {}); // It ends when its server is killed.
    world.defer(() => socket.destroy());
    const connected = new Promise((resolve) => socket.once("connect", () => resolve(true)));
    if (!(await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, 300, false))]))) stuck++;
  }
  return upstream;
}

async function cutBefore(world) {
  const cases = createCases();
  for (const how of ["reset", "close"]) {
    const cutting = async (peer) => {
      await peer.request();
      await peer[how]();
    };
    const bad = await world.upstream(cutting);
    const good = await world.upstream(answering(ok()));
    const proxy = await world.proxy([bad, good]);
    await cases.try(`GET, ${how}`, async () => {
      for (let index = 0; index < 10; index++)
        mustEqual((await world.exchange(proxy, get("/"))).status, 200, `the status of request ${index}`);
      must(bad.requests.length > 0, "the bad target was never tried");
    });
    await cases.try(`POST, ${how}`, async () => {
      const before = bad.requests.length + good.requests.length;
      const statuses = [];
      for (let index = 0; index < 10; index++) statuses.push((await world.exchange(proxy, post("/", "hello"))).status);
      mustEqual(bad.requests.length + good.requests.length - before, 10, "the number of requests upstream");
      mustEqual(statuses.filter((status) => status === 502).length, 5, "the number of 502s");
    });
    await cases.try(`POST with Idempotency-Key, ${how}`, async () => {
      const { status } = await world.exchange(await world.proxy([bad]), post("/", "hello", "Idempotency-Key: a"));
      mustEqual(status, 502, "the status");
    });
  }
  return cases.verdict("faults are met by the rule");
}

async function stopped(world) {
  const [one, two] = [await world.upstreamProcess({ name: "one" }), await world.upstreamProcess({ name: "two" })];
  const proxy = await world.proxy([one, two], {
    timeouts: { headers: 500 },
    plugins: "activeHealth({ interval: 200, timeout: 200, fall: 3, rise: 2 }),",
  });
  await until(async () => (await world.exchange(proxy, get("/"))).text === "one", "it serves");
  one.signal("SIGSTOP");
  const stoppedAt = performance.now();
  const late = { count: 0 };
  for (let good = 0; good < 20;) {
    const { status } = await world.exchange(proxy, get("/"));
    must([200, 504].includes(status), `was answered with ${status}`);
    good = status === 200 ? good + 1 : 0;
    late.count += status === 504 ? 1 : 0;
  }
  const out = Math.round(performance.now() - stoppedAt);
  must(out < 5_000, `it left the rotation after ${out} ms`);
  one.signal("SIGCONT");
  const continuedAt = performance.now();
  await until(async () => (await world.exchange(proxy, get("/"))).text === "one", "it serves again");
  const back = Math.round(performance.now() - continuedAt);
  return {
    kept: true,
    figure: `out after ${out} ms and ${late.count} times 504, back after ${back} ms; checked each 200 ms`,
  };
}

async function noTargets(world) {
  const proxy = await world.proxy([{ url: `http://127.0.0.1:${await closedPort()}` }], {
    plugins: "activeHealth({ interval: 50, fall: 1 }),",
  });
  await until(async () => (await world.exchange(proxy, get("/"))).status === 503, "the target is down");
  const durations = [];
  for (let index = 0; index < 100; index++) {
    const client = await world.client(proxy);
    const startedAt = performance.now();
    await client.send(get("/"));
    const response = await client.response();
    durations.push(performance.now() - startedAt);
    client.destroy();
    mustEqual(response.status, 503, "the status");
    must(response.get("retry-after") !== undefined, "there is no Retry-After");
    must(JSON.parse(response.text).error.code !== undefined, "the body has no error code");
  }
  const p95 = quantile(durations, 0.95);
  return { kept: p95 < 5, figure: `100 of 100 are 503 with Retry-After; 95 of them in ${p95.toFixed(1)} ms` };
}
