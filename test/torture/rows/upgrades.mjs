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
  { id: "H5", promise: "Another protocol than the allowed ones is never tunnelled", run: otherProtocols },
  { id: "H6", promise: "A Sec-WebSocket-Key that is none is refused", run: badKeys },
  { id: "H7", promise: "A tunnel counts as a connection, and ends with 1001 in a drain", run: drained },
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

async function otherProtocols(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  const protocols = ["h2c", "HTTP/2.0", "TLS/1.0", "evil", "websocket, h2c", "connect-udp"];
  for (const protocol of protocols) {
    await cases.try(protocol, async () => {
      const lines = [
        "Connection: Upgrade, HTTP2-Settings",
        `Upgrade: ${protocol}`,
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
      ];
      const client = await world.client(proxy);
      await client.send(get("/a", ...lines));
      const { status } = await within(client.response(), "an answer");
      must(status !== 101, "it was tunnelled");
      const { values } = upstream.requests.at(-1) ?? { values: () => [] };
      mustEqual([...values("upgrade"), ...values("http2-settings")], [], "what the upstream got of it");
      await mustBeClean(world, proxy, upstream, { hostile: /h2c|HTTP2-Settings/i });
    });
  }
  return cases.verdict("are served as what they are besides, or refused");
}

async function badKeys(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  const good = /Sec-WebSocket-Key: .*\r\n/;
  const lines = ["", "Sec-WebSocket-Key:\r\n", "Sec-WebSocket-Key: a\r\n", `Sec-WebSocket-Key: ${"a".repeat(24)}\r\n`];
  for (const line of [...lines, `Sec-WebSocket-Key: ${"a".repeat(5_000)}==\r\n`]) {
    await cases.try(JSON.stringify(line.slice(0, 30)), async () => {
      const before = upstream.requests.length;
      const { status } = await world.exchange(proxy, handshake.replace(good, line));
      mustEqual([status, upstream.requests.length], [400, before], "the answer, and the requests upstream");
    });
  }
  return cases.verdict("are refused, and reach no upstream");
}

async function drained(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const limits = { connections: 1, drainDelay: 0, drainIdle: 0, drain: 300 };
  const proxy = await world.proxy([upstream], { limits });
  const client = await world.client(proxy);
  await client.send(handshake);
  const peer = await within(upstream.accept(), "a connection to the upstream");
  await peer.request();
  await peer.write(switching());
  mustEqual((await within(client.head(), "the 101")).status, 101, "the status");
  await cases.try("a second connection while there is a tunnel", async () => {
    const second = await world.client(proxy);
    await second.send(get("/"));
    const answer = await within(second.response(), "an end").then(
      ({ status }) => status,
      () => "closed",
    );
    must(answer !== 200, `was answered with ${answer}`);
  });
  await cases.try("a drain", async () => {
    proxy.signal("SIGTERM");
    const frame = await within(client.reader.take(4), "a Close frame");
    mustEqual([frame[0], frame.readUInt16BE(2)], [0x88, 1001], "the frame");
    mustEqual((await within(proxy.exited, "the end of the process")).code, 0, "the exit code");
  });
  return cases.verdict("are as they should be");
}
