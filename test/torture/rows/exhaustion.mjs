import { setTimeout as delay } from "node:timers/promises";
import { must, mustEqual } from "../verdict.mjs";
import { answering, get, ok, postHead, rawClient, within } from "../wire.mjs";

/** Section I of the promises: what costs an attacker little. */
export const exhaustion = [
  {
    id: "I1",
    promise: "Slow request heads are closed within 12 s, and others are served meanwhile",
    run: slowHeads,
  },
  {
    id: "I2",
    promise: "Slow request bodies are closed after 30 s without a byte, and others are served",
    run: slowBodies,
  },
];

/** Opens connections that each send `start`, then a piece each second, if there is one; returns how they ended. */
async function hold(world, proxy, { start, piece, within: limit }) {
  const count = world.full ? 2_000 : 200;
  const clients = await Promise.all(Array.from({ length: count }, () => rawClient(proxy.port)));
  for (const client of clients) world.defer(() => client.destroy());
  const startedAt = performance.now();
  const ended = [];
  for (const client of clients) {
    void client.send(start);
    client.ending.then(() => ended.push(performance.now() - startedAt));
  }
  const slowest = { ms: 0 };
  while (ended.length < count && performance.now() - startedAt < limit + 1_000) {
    if (piece !== "") for (const client of clients) void client.send(piece);
    const askedAt = performance.now();
    mustEqual((await world.exchange(proxy, get("/"))).status, 200, "the status of a good request meanwhile");
    slowest.ms = Math.max(slowest.ms, performance.now() - askedAt);
    await delay(1_000);
  }
  mustEqual(
    ended.filter((ms) => ms <= limit).length,
    count,
    `the number of ${count} that were closed within ${limit} ms`,
  );
  const last = (Math.max(...ended) / 1_000).toFixed(1);
  return {
    kept: true,
    figure: `${count} of ${count} closed, the last after ${last} s; good requests in ${Math.round(slowest.ms)} ms at most`,
  };
}

async function slowHeads(world) {
  const { upstream, proxy } = await world.pair(answering(ok()));
  const verdict = await hold(world, proxy, {
    start: "GET /hostile HTTP/1.1\r\nHost: a\r\n",
    piece: "X-A: a\r\n",
    within: 12_000,
  });
  must(!upstream.received.includes("hostile"), "one reached the upstream");
  return verdict;
}

async function slowBodies(world) {
  const { upstream, proxy } = await world.pair(answering(ok()));
  await within(world.exchange(proxy, get("/")), "a good request");
  mustEqual(upstream.requests.length, 1, "the number of requests upstream");
  return hold(world, proxy, { start: `${postHead("/slow", 1_000)}half`, piece: "", within: 32_500 }); // A refused client is read from for a second more.
}
