import { startLoad } from "../load.mjs";
import { createCases, megabytes, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok, within } from "../wire.mjs";
import { until } from "../world.mjs";

/** The goals under load; memory, descriptors and what is lost over a long time are the soak's. */
export const loadGoals = [
  { id: "L1", promise: "Streams held in thousands are all opened, all alive, and all let go", run: heldStreams },
  { id: "L2", promise: "kill -9 of one of two upstreams under load loses no GET, and few POSTs", run: killedUpstream },
  { id: "L3", promise: "A flood of resets by clients and upstreams leaves nothing open", run: resets, naive: false },
];

async function heldStreams(world) {
  const count = world.full ? 8_000 : 1_500;
  const upstreams = [await world.upstreamProcess(), await world.upstreamProcess()];
  const proxy = await world.proxy(upstreams);
  await world.exchange(proxy, get("/warm"));
  const before = { memory: proxy.memory(), descriptors: proxy.descriptors() };
  const startedAt = performance.now();
  const streams = [];
  while (streams.length < count) {
    const batch = Array.from({ length: 100 }, async () => {
      const client = await world.client(proxy);
      await client.send(get("/stream"));
      const response = await within(client.head(), "a stream", 20_000);
      await within(response.next(), "its first event", 20_000);
      return { client, response };
    });
    streams.push(...(await Promise.all(batch)));
  }
  const opened = Math.round(performance.now() - startedAt);
  const each = (proxy.memory() - before.memory) / count;
  for (let round = 0; round < 3; round++)
    await within(Promise.all(streams.map(({ response }) => response.next())), "an event on each", 20_000);
  mustEqual(streams.filter(({ response }) => response.ending !== undefined).length, 0, "the number of streams lost");
  const leftAt = performance.now();
  for (const { client } of streams) client.destroy();
  await until(() => proxy.descriptors() < before.descriptors + 50, "the descriptors are free again", 30_000);
  const freed = Math.round(performance.now() - leftAt);
  must(each < 100 * 1_024, `each costs ${Math.round(each / 1_024)} KiB`);
  return {
    kept: true,
    figure: `${count} of ${count} in ${opened} ms, 0 lost, ${Math.round(each / 1_024)} KiB each, all free after ${freed} ms`,
  };
}

async function killedUpstream(world) {
  const [one, two] = [await world.upstreamProcess({ name: "one" }), await world.upstreamProcess({ name: "two" })];
  const proxy = await world.proxy([one, two], {
    plugins: "all.outlierEjection({ consecutive: 5, duration: 60_000 }),",
  });
  const clients = 30;
  const gets = startLoad(proxy.port, { clients });
  const posts = startLoad(proxy.port, { clients, method: "POST" });
  await until(() => gets.sent > 1_000 && posts.sent > 500, "the load runs");
  one.signal("SIGKILL");
  await one.exited;
  const requests = async () => (await world.json(proxy, "/services")).services.find(({ url }) => url === one.url);
  await until(async () => !(await requests()).healthy, "it is ejected");
  const end = gets.sent + 2_000;
  await until(() => gets.sent > end, "more requests", 10_000);
  const [got, posted] = [await gets.stop(), await posts.stop()];
  mustEqual(got.failed.slice(0, 3), [], `of ${got.sent} GETs the first of ${got.failed.length} lost`);
  must(posted.failed.length <= clients, `${posted.failed.length} POSTs were lost with ${clients} under way at most`);
  const { failures } = await requests();
  return {
    kept: true,
    figure: `0 of ${got.sent} GETs and ${posted.failed.length} of ${posted.sent} POSTs lost; ejected after ${failures} failed attempts`,
  };
}

async function resets(world) {
  const cases = createCases();
  const count = world.full ? 20_000 : 2_000;
  const half = message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half");
  const upstream = await world.upstream(
    answering(async ({ path }, peer) => {
      if (path === "/good") return ok();
      await peer.write(half);
      if (path === "/upstream") await peer.reset();
      return "";
    }),
  );
  const proxy = await world.proxy([upstream], { stdout: "events" });
  const round = async (path) => {
    const client = await world.client(proxy);
    await client.send(get(path));
    const response = await within(client.head(), "the head");
    if (path === "/upstream") await response.whole();
    client.reset();
  };
  const rounds = async (times) => {
    let left = times;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        while (left-- > 0) await round(left % 2 === 0 ? "/client" : "/upstream");
      }),
    );
    await world.idle(proxy);
  };
  await rounds(200);
  const before = { memory: proxy.memory(), descriptors: proxy.descriptors() };
  await cases.try("resets", () => rounds(count));
  await cases.try("descriptors", () =>
    until(() => proxy.descriptors() <= before.descriptors + 5, "they are free again", 10_000),
  );
  const grown = proxy.memory() - before.memory;
  await cases.try("memory", () => must(grown < 48 * 2 ** 20, `it grew by ${megabytes(grown)}`));
  await cases.try("a good request", async () =>
    mustEqual((await world.exchange(proxy, get("/good"))).status, 200, "the status"),
  );
  return cases.verdict(`hold after ${count} resets, half of them by clients; memory ${megabytes(grown)} more`);
}
