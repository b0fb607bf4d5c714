import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, handshake, message, ok, post, switching, within } from "../wire.mjs";
import { mustBeClean } from "./refusing.mjs";

const no = message(["HTTP/1.1 403 No", "Content-Length: 2"], "no");

/** Section H of the promises: tunnels. */
export const upgrades = [
  { id: "H1", promise: "A tunnel opens only after a 101 to what was asked for; nothing passes before", run: consent },
  { id: "H2", promise: "A refused upgrade is a normal answer, and the connection is safe or closed", run: refusal },
  { id: "H3", promise: "A 101 that nobody asked for is a 502", run: unasked },
  { id: "H4", promise: "A tunnel's end on one side is its end on the other within 250 ms", run: tunnelEnds },
];

async function consent(world) {
  const cases = createCases();
  await cases.try("a tunnel", async () => {
    const upstream = await world.upstream();
    const client = await world.client(await world.proxy([upstream]));
    await client.send(`${handshake}early`);
    const peer = await within(upstream.accept(), "a connection to the upstream");
    await within(peer.request(), "the handshake upstream");
    must(!peer.reader.received.includes("early"), "bytes passed before the 101");
    await peer.write(`${switching()}hello`);
    mustEqual((await within(client.head(), "the 101")).status, 101, "the status");
    mustEqual((await within(client.reader.take(5), "bytes down")).toString(), "hello", "what came down");
    mustEqual((await within(peer.reader.take(5), "bytes up")).toString(), "early", "what went up");
  });
  for (const protocol of ["h2c", "evil", "websocket, evil", ""]) {
    await cases.try(`101 to ${JSON.stringify(protocol)}`, async () => {
      const upstream = await world.upstream(async (peer) => {
        await peer.request();
        await peer.write(`${switching(protocol)}evil`);
      });
      const response = await world.exchange(await world.proxy([upstream]), handshake);
      mustEqual(response.status, 502, "the status");
      must(!response.text.includes("evil"), "the client saw some of it");
    });
  }
  return cases.verdict("handshakes end as they should");
}

async function refusal(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(({ path }) => (path === "/socket" ? no : ok(path))));
  await cases.try("403 with a request behind the handshake", async () => {
    const client = await world.client(proxy);
    await client.send(handshake + get("/smuggled"));
    const { status, text } = await within(client.response(), "an answer");
    mustEqual([status, text], [403, "no"], "the answer");
    await mustBeClean(world, proxy, upstream, { hostile: /smuggled/ });
  });
  await cases.try("403, then another request", async () => {
    const client = await world.client(proxy);
    await client.send(handshake);
    mustEqual((await within(client.response(), "an answer")).status, 403, "the status");
    await client.send(get("/next"));
    const next = await within(client.response(), "the next answer").then(
      ({ text }) => text,
      (error) => (/the connection ended/.test(error.message) ? "closed" : Promise.reject(error)),
    );
    must(["/next", "closed"].includes(next), `the next answer is ${next}`);
  });
  return cases.verdict("refusals are safe");
}

async function unasked(world) {
  const cases = createCases();
  for (const [name, request] of [
    ["GET", get("/")],
    ["POST", post("/", "hello")],
  ]) {
    await cases.try(name, async () => {
      const upstream = await world.upstream(async (peer) => {
        await peer.request();
        await peer.write(`${switching("evil")}evil`);
      });
      const response = await world.exchange(await world.proxy([upstream]), request);
      mustEqual(response.status, 502, "the status");
      await within(upstream.peers[0].ending, "the connection to the upstream closes");
    });
  }
  return cases.verdict("are a 502");
}

async function tunnelEnds(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const delays = [];
  for (const [side, how] of [
    ["client", "halfClose"],
    ["client", "destroy"],
    ["client", "reset"],
    ["peer", "close"],
    ["peer", "reset"],
  ]) {
    await cases.try(`${side} by ${how}`, async () => {
      const client = await world.client(proxy);
      await client.send(handshake);
      const peer = await within(upstream.accept(), "a connection to the upstream");
      await peer.request();
      await peer.write(switching());
      mustEqual((await within(client.head(), "the 101")).status, 101, "the status");
      const startedAt = performance.now();
      await (side === "client" ? client : peer)[how]();
      await within((side === "client" ? peer : client).ending, "the end on the other side");
      delays.push(performance.now() - startedAt);
      must(delays.at(-1) < 250, `took ${Math.round(delays.at(-1))} ms`);
      must(proxy.lives(), "the process ended");
    });
  }
  return cases.verdict(`ends passed on, after ${Math.max(0, ...delays).toFixed(1)} ms at most`);
}
