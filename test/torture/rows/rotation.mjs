import { startLoad } from "../load.mjs";
import { createCases, must, mustEqual, quantile } from "../verdict.mjs";
import { answering, get, message, ok, within } from "../wire.mjs";
import { until } from "../world.mjs";

/** Section E of the promises: which targets are in use. */
export const rotation = [
  {
    id: "E11",
    promise: "A flapping target goes for ever longer, the last never, no client's fault counts",
    run: flapping,
    naive: false,
  },
  { id: "E12", promise: "A target that came back gets its share little by little", run: slowStart, naive: false },
  {
    id: "E13",
    promise: "A target that is slow gets under a quarter of its share, the others stay fast",
    run: slowTarget,
    naive: false,
  },
  {
    id: "E14",
    promise: "A health answer that lies, hangs, redirects or never ends is no health",
    run: lies,
    naive: false,
  },
];

const unavailable = message(["HTTP/1.1 503 No", "Content-Length: 0"]);

async function flapping(world) {
  const cases = createCases();
  const ejection = "all.outlierEjection({ consecutive: 3, duration: 300, maxDuration: 3_000, jitter: 0 }),";
  await cases.try("a flapping target", async () => {
    const bad = await world.upstream(answering(unavailable));
    const good = await world.upstream(answering(ok()));
    const proxy = await world.proxy([bad, good], { plugins: ejection });
    const tries = [];
    const end = performance.now() + 6_000;
    for (let seen = 0; performance.now() < end;) {
      await world.exchange(proxy, get("/"));
      if (bad.requests.length > seen) tries.push(performance.now());
      seen = bad.requests.length;
    }
    // The first three are those that eject it; then one trial after each ejection.
    const gaps = tries
      .slice(2)
      .map((at, index, all) => at - (all[index - 1] ?? at))
      .slice(1);
    must(gaps.length >= 3 && gaps.length <= 6, `it was tried ${tries.length} times within 6 s`);
    const growing = gaps.every((gap, index) => gap > 0.9 * 300 * (index + 1));
    must(growing, `it was tried again after ${gaps.map(Math.round).join()} ms`);
  });
  await cases.try("all of them", async () => {
    const upstreams = [await world.upstream(answering(unavailable)), await world.upstream(answering(unavailable))];
    const proxy = await world.proxy(upstreams, { plugins: ejection });
    for (let index = 0; index < 50; index++) {
      const { text } = await world.exchange(proxy, get("/"));
      mustEqual(text, "", `what the client is told at request ${index}`); // The upstream's own answer, not the proxy's.
    }
  });
  await cases.try("faults of clients", async () => {
    const refusing = await world.upstream(
      answering(({ path }, peer) =>
        path === "/hang" ? peer.ending : message(["HTTP/1.1 404 No", "Content-Length: 0"]),
      ),
    );
    const other = await world.upstream(answering(({ path }, peer) => (path === "/hang" ? peer.ending : ok())));
    const proxy = await world.proxy([refusing, other], { plugins: ejection });
    for (let index = 0; index < 20; index++) {
      const client = await world.client(proxy);
      await client.send(get("/hang"));
      await within(index % 2 === 0 ? refusing.accept() : other.accept(), "a connection to the upstream");
      client.reset();
    }
    const statuses = [];
    for (let index = 0; index < 20; index++) statuses.push((await world.exchange(proxy, get("/"))).status);
    mustEqual(statuses.filter((status) => status === 404).length, 10, "the share of the one that answers 404");
  });
  return cases.verdict("rules of ejection kept");
}

async function slowStart(world) {
  const [one, two] = [await world.upstreamProcess({ name: "one" }), await world.upstreamProcess({ name: "two" })];
  const over = 4_000;
  const proxy = await world.proxy([one, two], {
    plugins: `activeHealth({ interval: 100, timeout: 500, fall: 2, rise: 1 }), all.slowStart({ over: ${over} }),`,
  });
  const served = [];
  const load = startLoad(proxy.port, {
    clients: 4,
    pause: () => 2,
    onAnswer: (text) => served.push({ text, at: performance.now() }),
  });
  await until(() => served.some(({ text }) => text === "one"), "it serves");
  one.signal("SIGSTOP");
  await until(async () => (await world.json(proxy, "/services")).services.some(({ healthy }) => !healthy), "it is out");
  await until(() => served.length > 0 && served.at(-1).text === "two", "the other one serves");
  one.signal("SIGCONT");
  const before = served.length;
  await until(() => served.slice(before).some(({ text }) => text === "one"), "it serves again");
  const startedAt = performance.now();
  await until(() => performance.now() - startedAt > over + 1_000, "it is warm", over + 2_000);
  await load.stop();
  const share = (from, to) => {
    const part = served.filter(({ at }) => at >= startedAt + from && at < startedAt + to);
    return part.filter(({ text }) => text === "one").length / part.length;
  };
  const shares = [share(0, over / 4), share(over * 0.375, over * 0.625), share(over, over + 1_000)];
  const told = shares.map((each) => `${Math.round(each * 100)} %`).join(", ");
  must(shares[0] < 0.3 && shares[0] < shares[1] && shares[2] > 0.45, `its shares were ${told}`);
  return { kept: true, figure: `of the requests ${told}: at the start, in the middle, and after ${over / 1_000} s` };
}

async function slowTarget(world) {
  const names = ["one", "two", "three"];
  const upstreams = await Promise.all(names.map((name) => world.upstreamProcess({ name })));
  const slow = await world.injector(upstreams[0].port, { latency: 500 });
  const proxy = await world.proxy([slow, upstreams[1], upstreams[2]], { plugins: "all.leastConnections()," });
  const counts = new Map();
  const durations = [];
  const client = async () => {
    const end = performance.now() + 3_000;
    while (performance.now() < end) {
      const startedAt = performance.now();
      const { text } = await world.exchange(proxy, get("/"));
      counts.set(text, (counts.get(text) ?? 0) + 1);
      if (text !== "one") durations.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: 12 }, client));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const share = (counts.get("one") ?? 0) / total;
  const p99 = quantile(durations, 0.99);
  must(share < 0.25 / names.length, `it got ${(share * 100).toFixed(1)} % of ${total}`);
  must(p99 < 250, `99 % of the others took ${Math.round(p99)} ms`);
  return {
    kept: true,
    figure: `${(share * 100).toFixed(1)} % of ${total} requests, 99 % of the others within ${p99.toFixed(1)} ms`,
  };
}

const endless = "a".repeat(65_536);

async function lies(world) {
  const cases = createCases();
  const seen = [];
  const elsewhere = await world.upstream(answering(() => ok(String(seen.push("redirected")))));
  const written = { bytes: 0 };
  const health = {
    "garbage behind 200": (peer) => peer.write("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nevil"),
    "nothing for ever": () => undefined,
    "a head and no body": (peer) => peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 5"])),
    "a redirect": (peer) =>
      peer.write(message(["HTTP/1.1 301 Moved", `Location: ${elsewhere.url}/health`, "Content-Length: 0"])),
    "a status of 500": (peer) => peer.write(message(["HTTP/1.1 500 No", "Content-Length: 0"])),
    "connections closed": (peer) => peer.close(),
  };
  const liars = await Promise.all(
    Object.values(health).map((lie) =>
      world.upstream(async (peer) => {
        for (;;) await ((await peer.request()).path === "/health" ? lie(peer) : peer.write(ok("liar")));
      }),
    ),
  );
  const large = await world.upstream(async (peer) => {
    if ((await peer.request()).path !== "/health") return peer.write(ok("large", "Connection: close"));
    await peer.write(message(["HTTP/1.1 200 OK", `Content-Length: ${2 ** 30}`]));
    const state = { open: true };
    peer.ending.then(() => (state.open = false));
    for (let bytes = 0; state.open && bytes < 2 ** 30; bytes += endless.length) {
      await peer.write(endless);
      written.bytes = Math.max(written.bytes, bytes);
    }
    return undefined;
  });
  const good = await world.upstream(answering(ok("good")));
  const proxy = await world.proxy([...liars, large, good], {
    plugins: "activeHealth({ interval: 200, timeout: 300, fall: 2, rise: 1 }),",
  });
  const down = async () => (await world.json(proxy, "/services")).services.filter(({ healthy }) => !healthy);
  await until(async () => (await down()).length >= liars.length, "all liars are out");
  const out = new Set((await down()).map(({ id }) => id));
  for (const [index, name] of Object.keys(health).entries())
    await cases.try(name, () => must(out.has(liars[index].url), "it is in use"));
  await cases.try("a redirect is not followed", () => mustEqual(seen, [], "what the other place was asked"));
  await cases.try("a body of 1 GB", () => must(written.bytes < 8 * 2 ** 20, `${written.bytes} bytes of it were taken`));
  await cases.try("the good one", async () => {
    must(!out.has(good.url), "it is out");
    mustEqual((await world.exchange(proxy, get("/"))).status, 200, "the status");
  });
  return cases.verdict(`liars found out; ${Math.round(written.bytes / 1024)} KiB taken of a body of 1 GiB`);
}
