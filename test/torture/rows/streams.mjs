import { createCases, must, mustEqual, quantile } from "../verdict.mjs";
import { answering, chunk, get, lastChunk, okEvents, post, within } from "../wire.mjs";

/** Section G of the promises: streams. */
export const streams = [
  { id: "G1", promise: "A response head leaves within 20 ms, although no body follows", run: headAlone },
  { id: "G3", promise: "The bytes of a stream arrive unchanged, however they are cut on their way", run: slicedStream },
  { id: "G4", promise: "A client that leaves ends the upstream's work within 100 ms, at any time", run: aborts },
];

async function headAlone(world) {
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const delays = [];
  for (let index = 0; index < 50; index++) {
    const client = await world.client(proxy);
    await client.send(get("/"));
    const peer = await within(upstream.accept(), "a connection to the upstream");
    await peer.request();
    const sentAt = performance.now();
    void peer.write(okEvents());
    delays.push((await within(client.head(), "the head")).headAt - sentAt);
    client.destroy();
  }
  const p95 = quantile(delays, 0.95);
  return { kept: p95 <= 20, figure: `50 heads, 95 % of them after ${p95.toFixed(1)} ms` };
}

const oddStream = Buffer.from(
  `\ufeff: a comment\ndata: caf\u00e9 \u{1f600}\r\ndata: two\r\n\r\nid: 1\rretry: 10\rdata: cr\r\revent: a\ndata:${"b".repeat(65_536)}\n\ndata: half`,
);

async function slicedStream(world) {
  const cases = createCases();
  const body = oddStream.toString("latin1");
  const upstream = await world.upstream(answering(okEvents() + chunk(body) + lastChunk));
  for (const faults of [
    { slice: 1 },
    { slice: 7 },
    { slice: 1_000, latency: 1 },
    { bandwidth: 500_000, slice: 5_000 },
  ]) {
    const injector = await world.injector(upstream.port, faults);
    const proxy = await world.proxy([injector], { plugins: "sse()," });
    await cases.try(JSON.stringify(faults), async () => {
      const response = await world.exchange(proxy, get("/"));
      mustEqual(response.ending, "complete", "the ending");
      must(response.body.equals(oddStream), `${response.body.length} bytes came, of ${oddStream.length}, or others`);
    });
  }
  return cases.verdict("streams unchanged");
}

const moments = [
  ["before the head", get("/"), ""],
  ["before the head of a POST", post("/", "hello"), ""],
  ["in an event stream", get("/"), okEvents() + chunk("data: one\n\n")],
  ["in an answer with a length", get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"],
];

async function aborts(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const delays = [];
  for (const [name, request, answer] of moments) {
    for (const leave of ["halfClose", "reset", "destroy"]) {
      for (let round = 0; round < 3; round++) {
        await cases.try(`${name}, by ${leave}`, async () => {
          const client = await world.client(proxy);
          await client.send(request);
          const peer = await within(upstream.accept(), "a connection to the upstream");
          await peer.request();
          if (answer !== "") {
            await peer.write(answer);
            await within((await within(client.head(), "the head")).next(), "the first bytes");
          }
          const leftAt = performance.now();
          client[leave]();
          await within(peer.ending, "the end upstream", 1_000);
          delays.push(performance.now() - leftAt);
          must(delays.at(-1) <= 100, `the upstream heard of it after ${Math.round(delays.at(-1))} ms`);
        });
      }
    }
  }
  return cases.verdict(`departures heard of, after ${Math.max(0, ...delays).toFixed(1)} ms at most`);
}
