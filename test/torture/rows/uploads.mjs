import { setTimeout as delay } from "node:timers/promises";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, chunk, get, lastChunk, message, ok, okChunked, post, postHead, within } from "../wire.mjs";
import { until } from "../world.mjs";
import { smuggled } from "./framing-cases.mjs";
import { mustBeClean } from "./refusing.mjs";

const chunkedHead = message(["POST /cut HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]);

/** The rest of section A of the promises: bodies that end early, late or not at all. */
export const uploads = [
  { id: "A9", promise: "A client that leaves inside its body leaves the upstream a cut request", run: cutUploads },
  { id: "A10", promise: "The rest of a body that was answered early is never a request", run: answeredEarly },
  { id: "A11", promise: "An early answer of the upstream arrives, and the upload stops within 1 s", run: earlyAnswer },
  { id: "A12", promise: "Expect: 100-continue is asked for after the limits, anything else is 417", run: expectations },
  { id: "A13", promise: "A client of HTTP/1.0 gets no chunks, and sees a cut answer as a reset", run: http10 },
];

async function cutUploads(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  for (const [name, bytes] of [
    ["length", `${postHead("/cut", 99)}half`],
    ["chunk", `${chunkedHead}64\r\nhalf`],
    ["between chunks", chunkedHead + chunk("half")],
  ]) {
    for (const leave of ["halfClose", "reset", "destroy"]) {
      await cases.try(`${name} by ${leave}`, async () => {
        const client = await world.client(proxy);
        await client.send(bytes);
        const peer = await within(upstream.accept(), "a connection to the upstream");
        const request = await within(peer.head(), "the request upstream");
        await within(request.next(), "the first half upstream");
        client[leave]();
        mustEqual(
          (await within(request.whole(), "the end upstream", 1_000)).ending === "complete",
          false,
          "being whole",
        );
        must(!peer.reader.received.includes("0\r\n\r\n"), "the upstream saw a last chunk");
      });
    }
  }
  await cases.try("the log", () =>
    until(() => proxy.lines.filter(({ flag }) => flag === "DC").length === 9, "nine log lines with flag DC", 2_000),
  );
  return cases.verdict("are cut upstream too, and logged as the client's doing");
}

async function answeredEarly(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()), { limits: { body: 100 } });
  for (const [name, length, ...lines] of [
    ["a small rest", 1_000],
    ["a rest of 10 MB", 10_000_000],
    ["a small rest, Host refused", 100, "Host: b"],
  ]) {
    await cases.try(name, async () => {
      const client = await world.client(proxy);
      const body = smuggled.repeat(Math.ceil(length / smuggled.length)).slice(0, length);
      void client.send(postHead("/hostile", length, ...lines) + body);
      must([400, 413].includes((await within(client.response(), "the refusal")).status), "was not refused");
      await mustBeClean(world, proxy, upstream, { hostile: /smuggled|hostile/ });
    });
  }
  return cases.verdict("early refusals leave nothing to be read as a request");
}

async function earlyAnswer(world) {
  const total = 1e12;
  const sent = { bytes: 0 };
  const upstream = await world.upstream(async (peer) => {
    const request = await peer.head();
    await request.next();
    await peer.write(message(["HTTP/1.1 413 Too Large", "Content-Length: 3"], "big"));
  });
  const proxy = await world.proxy([upstream], { limits: { body: total } });
  const client = await world.client(proxy);
  await client.send(postHead("/upload", total));
  const state = { ended: false };
  client.ending.then(() => (state.ended = true));
  const uploading = (async () => {
    const piece = Buffer.alloc(65_536);
    for (; !state.ended; sent.bytes += piece.length) {
      await client.send(piece);
      await delay(2); // The upstream keeps what it reads.
    }
  })();
  const response = await within(client.response(), "the early answer");
  mustEqual([response.status, response.text], [413, "big"], "the answer");
  const answeredAt = performance.now();
  await within(upstream.peers[0].ending, "the upload to the upstream stops", 1_000);
  const cut = Math.round(performance.now() - answeredAt);
  await within(Promise.race([client.ending, uploading]), "the client's upload stops");
  const stopped = Math.round(performance.now() - answeredAt);
  const connections = upstream.peers.length;
  world.exchange(proxy, get("/next")).catch(() => {}); // The script answers no GET.
  await until(() => upstream.peers.length > connections, "a fresh connection for the next request");
  return { kept: true, figure: `413 delivered; upstream let go after ${cut} ms, client after ${stopped} ms` };
}

async function expectations(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(
    answering((request) => ok(request.text)),
    { limits: { body: 100 } },
  );
  const answer = async (bytes, body) => {
    const client = await world.client(proxy);
    await client.send(bytes);
    if (body !== undefined) {
      mustEqual(await within(client.reader.line(), "100"), "HTTP/1.1 100 Continue", "the first line");
      await client.reader.line();
      await client.send(body);
    }
    return within(client.response(), "an answer");
  };
  await cases.try("over the limit", async () => {
    const { status, informational } = await answer(postHead("/hostile", 101, "Expect: 100-continue"));
    mustEqual([status, informational.length], [413, 0], "the answer");
  });
  await cases.try("unknown", async () => {
    mustEqual((await answer(post("/hostile", "hello", "Expect: a-miracle"))).status, 417, "the status");
  });
  await cases.try("good", async () => {
    mustEqual((await answer(postHead("/good", 5, "Expect: 100-continue"), "hello")).text, "hello", "the answer");
  });
  await cases.try("none of the refused upstream", () => mustBeClean(world, proxy, upstream, { hostile: /hostile/ }));
  return cases.verdict("expectations are met");
}

async function http10(world) {
  const cases = createCases();
  const script = answering(async (request, peer) => {
    if (request.path === "/whole") return okChunked() + chunk("hello") + lastChunk;
    await peer.write(okChunked() + chunk("hello"));
    await peer.reset();
    return "";
  });
  const { proxy } = await world.pair(script);
  for (const lines of [[], ["Connection: keep-alive"]]) {
    await cases.try(`whole ${lines.join()}`, async () => {
      const { framing: kind, text } = await world.exchange(
        proxy,
        message(["GET /whole HTTP/1.0", "Host: a", ...lines]),
      );
      mustEqual([kind, text], ["close", "hello"], "the answer");
    });
    await cases.try(`cut ${lines.join()}`, async () => {
      const client = await world.client(proxy);
      await client.send(message(["GET /cut HTTP/1.0", "Host: a", ...lines]));
      mustEqual(await within(client.ending, "the end"), "reset", "the end of a cut answer");
    });
  }
  return cases.verdict("answers end as HTTP/1.0 can tell");
}
