import { createCases, must, mustEqual, quantile } from "../verdict.mjs";
import { answering, chunk, get, lastChunk, okChunked, okEvents, within } from "../wire.mjs";

/** Section G of the promises: streams. */
export const streams = [
  { id: "G1", promise: "A response head leaves within 20 ms, although no body follows", run: headAlone },
  { id: "G3", promise: "The bytes of a stream arrive unchanged, however they are cut on their way", run: slicedStream },
  { id: "G2", promise: "A piece of a stream leaves at once, alone and beside 200 other streams", run: promptPieces },
  {
    id: "G5",
    promise: "What is put into a stream is one event, whatever stands before it",
    run: insertedEvents,
    naive: false,
  },
  { id: "G6", promise: "A stream is neither coded nor measured, and keeps what tells caches so", run: untouchedHead },
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

async function promptPieces(world) {
  const cases = createCases();
  const figures = [];
  for (const [count, limit] of [
    [1, 5],
    [world.full ? 2_000 : 200, 50],
  ]) {
    await cases.try(`${count} streams`, async () => {
      const delays = await delaysOf(world, count);
      const p99 = quantile(delays, 0.99);
      figures.push(`${count}: ${p99.toFixed(1)} ms`);
      must(p99 <= limit, `99 % of the pieces took up to ${p99.toFixed(1)} ms`);
    });
  }
  return cases.verdict(`loads passed on at once; 99 % of the pieces, by streams: ${figures.join(", ")}`);
}

/** Milliseconds from the upstream's write to the client's read, of pieces in streams that all go on at once. */
async function delaysOf(world, count) {
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const open = [];
  for (let index = 0; index < count; index++) {
    const client = await world.client(proxy);
    await client.send(get("/"));
    const peer = await within(upstream.accept(), "a connection to the upstream");
    await peer.request();
    await peer.write(okEvents());
    open.push({ peer, response: await within(client.head(), "the head") });
  }
  const delays = [];
  const rounds = Math.ceil(1_000 / count);
  for (let round = 0; round < rounds; round++) {
    for (const { peer, response } of open) {
      const sentAt = performance.now();
      void peer.write(chunk("data: token\n\n"));
      await within(response.next(), "the piece");
      delays.push(performance.now() - sentAt);
    }
  }
  return delays;
}

/** Where a stream may break: what is put in must not become a part of that. */
const breaks = [
  "data: half",
  "data: one\n",
  "data: one\n\n",
  "data: one\r",
  "data: one\r\n",
  "data: caf\xc3",
  ": comment",
  "event: a\ndata",
];

async function insertedEvents(world) {
  const cases = createCases();
  const script = async (peer) => {
    const { path } = await peer.request();
    await peer.write(okEvents() + chunk("data: first\n\n") + chunk(breaks[path.slice(1)]));
    await peer.reset();
  };
  const { proxy } = await world.pair(script, { plugins: 'sse({ errorEvent: "event" }),' });
  for (const [index, text] of breaks.entries()) {
    await cases.try(JSON.stringify(text), async () => {
      const response = await world.exchange(proxy, get(`/${index}`));
      must(response.ending !== "complete", "the stream looked whole");
      const blocks = response.text.split(/\r\n\r\n|\n\n|\r\r|\n\r\n/).filter((block) => block !== "");
      const lines = blocks
        .at(-1)
        .split(/\r\n|\n|\r/)
        .filter((line) => line !== "");
      mustEqual(
        lines.map((line) => line.split(":")[0]),
        ["event", "data"],
        `the fields of the last event in ${JSON.stringify(response.text)}`,
      );
      must(JSON.parse(lines[1].slice("data: ".length)).error !== undefined, "the event has no error");
    });
  }
  return cases.verdict("breaks are told in an event of its own");
}

async function untouchedHead(world) {
  const cases = createCases();
  const kept = {
    "x-accel-buffering": "no",
    "cache-control": "no-cache, no-transform",
    "content-type": "text/event-stream",
  };
  const lines = Object.entries(kept).map(([name, value]) => `${name}: ${value}`);
  for (const plugins of ["", "sse(),"]) {
    await cases.try(plugins || "no plugin", async () => {
      const answer = okChunked(...lines) + chunk("data: one\n\n") + lastChunk;
      const { proxy } = await world.pair(answering(answer), { plugins });
      const response = await world.exchange(proxy, get("/", "Accept-Encoding: gzip, br"));
      for (const [name, value] of Object.entries(kept)) mustEqual(response.get(name), value, name);
      mustEqual(response.get("content-encoding"), undefined, "the coding");
      mustEqual(response.get("content-length"), undefined, "the length");
    });
  }
  return cases.verdict("heads left as they were");
}
