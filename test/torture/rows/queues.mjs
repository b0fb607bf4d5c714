import { startLoad } from "../load.mjs";
import { createCases, mustEqual } from "../verdict.mjs";
import { answering, get, ok, within } from "../wire.mjs";
import { until } from "../world.mjs";

/** Section I of the promises: requests that wait for a target. */
export const queueing = [
  {
    id: "I7",
    promise: "A full target's queue is bounded: 429 when full, 503 when it took too long, in order",
    run: queues,
    naive: false,
  },
];

async function queues(world) {
  const cases = createCases();
  const size = 20;
  const order = [];
  let release;
  const gate = new Promise((resolve) => void (release = resolve));
  const upstream = await world.upstream(
    answering(async ({ path }) => {
      order.push(path);
      if (path === "/first") await gate;
      return ok();
    }),
  );
  const targets = [{ url: upstream.url, target: { maxConcurrency: 1 } }];
  const proxy = await world.proxy(targets, { plugins: `all.queue({ size: ${size}, wait: 2_000 }),` });
  const ask = async (path) => (await world.exchange(proxy, get(path))).status;
  const first = ask("/first");
  await until(() => order.length === 1, "the first is under way");
  const waiting = [];
  for (let index = 0; index < size; index++) {
    waiting.push(ask(`/${index}`));
    await until(async () => (await world.json(proxy, "/stats")).active === index + 3, "it waits");
  }
  await cases.try("one more than fit", async () => mustEqual(await ask("/excess"), 429, "the status"));
  release();
  await cases.try("the first", async () => mustEqual(await first, 200, "the status"));
  await cases.try("those that waited", async () => {
    mustEqual([...new Set(await Promise.all(waiting))], [200], "their statuses");
    mustEqual(
      order.slice(1),
      Array.from({ length: size }, (_, index) => `/${index}`),
      "the order upstream",
    );
  });
  await cases.try("one that waits too long", async () => {
    const stuck = await world.upstream(async (peer) => void (await peer.request()));
    const other = await world.proxy([{ url: stuck.url, target: { maxConcurrency: 1 } }], {
      plugins: "all.queue({ wait: 500 }),",
    });
    void world.exchange(other, get("/stuck")).catch(() => {});
    await within(stuck.accept(), "the first upstream");
    const response = await within(world.exchange(other, get("/late")), "an answer");
    mustEqual(
      [response.status, response.get("retry-after") !== undefined],
      [503, true],
      "the status, and a Retry-After",
    );
  });
  await cases.try("a burst", async () => {
    const fast = await world.upstreamProcess();
    const limited = [{ url: fast.url, target: { maxConcurrency: 4 } }];
    const burst = await world.proxy(limited, { plugins: "all.queue()," });
    const { failed } = await startLoad(burst.port, { clients: 100, count: 2_000 }).done();
    mustEqual(failed.slice(0, 3), [], `of 2000 over 4 places the first of ${failed.length} lost`);
  });
  return cases.verdict("queues are bounded, in order, and let go");
}
