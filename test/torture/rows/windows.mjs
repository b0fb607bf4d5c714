import { createCases, must } from "../verdict.mjs";
import { chunk, get, message, okEvents, post, postHead, within } from "../wire.mjs";

const role = chunk('data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n');
const half = message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half");

/** What the upstream has said when the client leaves. */
const moments = [
  ["waiting for the head", get("/"), ""],
  ["waiting for the head of a POST", post("/", "hello"), ""],
  ["before the first token", post("/", "hello"), okEvents() + role],
  ["inside an event stream", get("/"), okEvents() + chunk("data: one\n\n")],
  ["inside an answer with a length", get("/"), half],
];
const ways = ["halfClose", "reset", "destroy"];
const limit = 100;

/** Section G of the promises: a client that leaves, in each state that a request can be in. */
export const windows = [
  { id: "G4", promise: "A client that leaves ends the upstream's work within 100 ms, at any time", run: aborts },
  { id: "G4-queue", promise: "A client that leaves a queue is out of it within 100 ms", run: queued, naive: false },
  {
    id: "G4-upload",
    promise: "A client that is reset inside an upload that nobody reads is noticed",
    run: stuckUpload,
  },
  { id: "G7", promise: "A client that half-closes after its request is taken to have left", run: halfCloses },
];

async function aborts(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const worst = new Map();
  const timed = async (name, leave, ended) => {
    const leftAt = performance.now();
    leave();
    await within(ended, "the end upstream", 1_000);
    const took = performance.now() - leftAt;
    worst.set(name, Math.max(worst.get(name) ?? 0, took));
    must(took <= limit, `the upstream heard of it after ${Math.round(took)} ms`);
  };
  for (const [name, request, answer] of moments) {
    for (const leave of ways) {
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
          await timed(name, () => client[leave](), peer.ending);
        });
      }
    }
  }
  for (const leave of ways) await cases.try(`between two attempts, by ${leave}`, () => whileRetrying(world, leave));
  if (proxy.knows) await cases.try("nothing is left under way", () => world.idle(proxy));
  const told = [...worst].map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join(", ");
  return cases.verdict(`departures heard of; ms at most: ${told}`);
}

async function halfCloses(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const durations = [];
  for (const [name, request, answer] of moments) {
    for (let round = 0; round < 5; round++) {
      await cases.try(name, async () => {
        const client = await world.client(proxy);
        // Its FIN is all that comes after the request, and must not take what stays with it.
        const other = await world.client(proxy);
        const [peer, stayed] = [await asked(client, upstream, request), await asked(other, upstream, get("/stays"))];
        if (answer !== "") {
          await peer.write(answer);
          await within((await within(client.head(), "the head")).next(), "the first bytes");
        }
        const leftAt = performance.now();
        client.halfClose();
        await within(peer.ending, "the end upstream", 500);
        durations.push(performance.now() - leftAt);
        must(durations.at(-1) <= limit, `the upstream heard of it after ${Math.round(durations.at(-1))} ms`);
        await within(client.ending, "its connection closes");
        await stayed.write(message(["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2"], "ok"));
        must((await within(other.response(), "the other's answer")).text === "ok", "the other has another answer");
        await stayed.close();
      });
    }
  }
  if (proxy.knows) await cases.try("nothing is left under way", () => world.idle(proxy));
  return cases.verdict(`half-closes heard of, after ${Math.max(0, ...durations).toFixed(1)} ms at most`);
}

/** Sends it; the upstream's side of its connection, when it has come there. */
async function asked(client, upstream, request) {
  await client.send(request);
  const peer = await within(upstream.accept(), "a connection to the upstream");
  await peer.request();
  return peer;
}

/** The client leaves while the first of many attempts fails: what follows it must stop, wherever it is. */
async function whileRetrying(world, leave) {
  const upstreams = [];
  const seen = { last: 0, count: 0 };
  for (let index = 0; index < 20; index++) {
    upstreams.push(
      await world.upstream(async (peer) => {
        await peer.request();
        seen.count++;
        seen.last = performance.now();
        await peer.reset();
      }),
    );
  }
  const proxy = await world.proxy(upstreams, { retry: { attempts: 20 } });
  const client = await world.client(proxy);
  await client.send(get("/"));
  await within(upstreams[0].accept(), "the first attempt");
  const leftAt = performance.now();
  client[leave]();
  await new Promise((resolve) => setTimeout(resolve, 3 * limit));
  must(seen.count < upstreams.length, "all targets were tried");
  must(seen.last - leftAt <= limit, `an attempt came ${Math.round(seen.last - leftAt)} ms after the client had left`);
  if (proxy.knows) await world.idle(proxy);
}

async function queued(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const targets = [{ url: upstream.url, target: { maxConcurrency: 1 } }];
  const proxy = await world.proxy(targets, { plugins: "all.queue({ size: 10 })," });
  const first = await world.client(proxy);
  await first.send(get("/first"));
  const peer = await within(upstream.accept(), "the first request upstream");
  await peer.request();
  const active = async () => (await world.json(proxy, "/stats")).active;
  let slowest = 0;
  for (const leave of ways) {
    await cases.try(leave, async () => {
      const client = await world.client(proxy);
      await client.send(get("/queued"));
      while ((await active()) < 3);
      const leftAt = performance.now();
      client[leave]();
      while ((await active()) > 2) must(performance.now() - leftAt < 1_000, "it was still there after a second");
      slowest = Math.max(slowest, performance.now() - leftAt);
      must(slowest <= limit, `it was there for ${Math.round(slowest)} ms`);
    });
  }
  await cases.try("the place", async () => {
    const next = await world.client(proxy);
    await next.send(get("/next"));
    while ((await active()) < 3);
    await peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 0"]));
    const { path } = await within(peer.request(), "the next request upstream");
    must(path === "/next", `${path} came to the upstream`);
  });
  return cases.verdict(`departures from a queue heard of, after ${slowest.toFixed(1)} ms at most`);
}

async function stuckUpload(world) {
  const total = 2 ** 30;
  const upstream = await world.upstream(async (peer) => {
    await peer.head();
    peer.stopReading();
  });
  const proxy = await world.proxy([upstream], { limits: { body: total } });
  const client = await world.client(proxy);
  await client.send(postHead("/upload", total));
  const sent = { bytes: 0, at: 0 };
  const piece = Buffer.alloc(65_536, "a");
  void (async () => {
    for (; sent.bytes < total; sent.bytes += piece.length, sent.at = performance.now()) await client.send(piece);
  })();
  while (sent.bytes === 0 || performance.now() - sent.at < 500) await new Promise((resolve) => setTimeout(resolve, 50));
  const leftAt = performance.now();
  client.reset();
  const patience = 10_000;
  await within(world.idle(proxy, patience), "the proxy lets it go", patience);
  const took = Math.round(performance.now() - leftAt);
  return { kept: took <= 2_500, figure: `let go after ${took} ms; 2500 are asked for, as it cannot be told at once` };
}
