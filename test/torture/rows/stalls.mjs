import { setTimeout as delay } from "node:timers/promises";
import { until } from "../world.mjs";
import { megabytes, must, mustEqual } from "../verdict.mjs";
import { chunk, get, message, ok, okChunked, within } from "../wire.mjs";

/** The rest of section F of the promises: one side that takes no more part. */
export const stalls = [
  {
    id: "F-8",
    promise: "A client that does not read costs under 8 MiB, stops the upstream, and is cut",
    run: slowReaders,
  },
  { id: "F-10", promise: "An upstream that falls silent inside its answer is cut when its time is over", run: silence },
];

async function silence(world) {
  const idle = 500;
  const upstream = await world.upstream(async (peer) => {
    await peer.request();
    await peer.write(okChunked() + chunk("half"));
  });
  const proxy = await world.proxy([upstream], { timeouts: { idle } });
  const startedAt = performance.now();
  const { ending } = await world.exchange(proxy, get("/"));
  const took = Math.round(performance.now() - startedAt);
  must(ending !== "complete", "the answer looked whole");
  await within(upstream.peers[0].ending, "the connection to the upstream closes");
  await until(() => proxy.lines.some(({ flag }) => flag === "SI"), "a log line with flag SI");
  return { kept: took >= idle && took < 2 * idle + 500, figure: `cut after ${took} ms, with an idle limit of ${idle}` };
}

async function slowReaders(world) {
  const count = world.full ? 128 : 32;
  const piece = Buffer.alloc(65_536, "a");
  const written = [];
  const upstream = await world.upstream(async (peer) => {
    const { path } = await peer.request();
    if (path === "/warm") return peer.write(ok("warm", "Connection: close"));
    const own = written.push(0) - 1;
    const state = { open: true };
    peer.ending.then(() => (state.open = false));
    await peer.write(message(["HTTP/1.1 200 OK", `Content-Length: ${2 ** 30}`]));
    for (; state.open && written[own] < 2 ** 30; written[own] += piece.length) await peer.write(piece);
    return undefined;
  });
  const proxy = await world.proxy([upstream], { limits: { writeStall: 3_000 } });
  await world.exchange(proxy, get("/warm"));
  const before = proxy.memory();
  const clients = await Promise.all(Array.from({ length: count }, () => world.client(proxy)));
  for (const client of clients) {
    client.pause();
    await client.send(get("/"));
  }
  let peak = 0;
  const end = performance.now() + 2_000;
  for (; performance.now() < end; await delay(50)) peak = Math.max(peak, proxy.memory());
  const each = (peak - before) / count;
  const taken = Math.max(...written);
  mustEqual(written.length, count, "the number of answers begun");
  must(each < 8 * 2 ** 20, `each costs ${megabytes(each)}`);
  must(taken < 16 * 2 ** 20, `${megabytes(taken)} were taken from the upstream`);
  await until(
    () => proxy.lines.filter(({ flag }) => flag === "SI").length === count,
    "each is cut and logged with flag SI",
    10_000,
  );
  return {
    kept: true,
    figure: `${count} of them: ${megabytes(each)} each, ${megabytes(taken)} taken of 1 GiB, all cut after 3 s`,
  };
}
