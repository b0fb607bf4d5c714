import { once } from "node:events";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { createCases, megabytes, must, mustEqual } from "../verdict.mjs";
import { answering, chunk, lastChunk, message, ok, post, within } from "../wire.mjs";
import { a, json, models2, plugins, sha } from "./two-models.mjs";

/** The rest of section D of the promises: bodies that are large, compressed or of other types. */
export const bodies = [
  { id: "D6", promise: "A body without an end is streamed in little memory, and cut at the limit", run: endless },
  { id: "D7", promise: "A body that plugins look into is refused over the limit, and given back", run: inspected },
  { id: "D8", promise: "A compressed body is never inflated: refused or passed on", run: compressed },
  { id: "D9", promise: "A compressed answer arrives byte for byte, also a corrupt one", run: compressedAnswers },
  { id: "D10", promise: "However the type is written, the guard and the router read the same", run: types },
  { id: "D11", promise: "A multipart body arrives byte for byte", run: multipart },
];

/** An upstream that counts what it is sent and keeps none of it. */
async function countingUpstream(world) {
  const counted = { bytes: 0 };
  const server = createServer((req, res) => {
    req.on("data", (data) => (counted.bytes += data.length));
    req.on("end", () => res.end("ok"));
    req.on("error", () => {}); // A cut upload is what is shown.
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  world.defer(() => server.close().closeAllConnections());
  return Object.assign(counted, { url: `http://127.0.0.1:${server.address().port}` });
}

async function endless(world) {
  const cases = createCases();
  const total = (world.full ? 1_024 : 128) * 2 ** 20;
  const upstream = await countingUpstream(world);
  const [streaming, limited] = [
    await world.proxy([upstream], { limits: { body: 2 ** 40 } }),
    await world.proxy([upstream], { limits: { body: 2 ** 20 } }),
  ];
  const piece = Buffer.from(chunk("x".repeat(2 ** 20)), "latin1");
  const head = message(["POST /upload HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]);
  const warm = Buffer.from(post("/warm", "x".repeat(2 ** 20)), "latin1");
  let grown = 0;
  await cases.try(`${megabytes(total)} streamed`, async () => {
    // What it takes once, for any number of bodies.
    for (let sent = 0; sent < 32; sent++) await world.exchange(streaming, warm);
    const [before, arrived] = [streaming.memory(), upstream.bytes];
    const client = await world.client(streaming);
    await client.send(head);
    for (let sent = 0; sent < total; sent += 2 ** 20) {
      await client.send(piece);
      grown = Math.max(grown, streaming.memory() - before);
    }
    void client.send(lastChunk);
    mustEqual((await within(client.response(), "an answer", 20_000)).status, 200, "the status");
    mustEqual(upstream.bytes - arrived, total, "the bytes upstream");
    must(grown < 32 * 2 ** 20, `memory grew by ${megabytes(grown)}`);
  });
  await cases.try("over the limit, without a length", async () => {
    const client = await world.client(limited);
    void client.send(head);
    for (let sent = 0; sent < 3; sent++) void client.send(piece);
    mustEqual((await within(client.response(), "an answer")).status, 413, "the status");
    await within(client.ending, "the connection closes");
  });
  await cases.try("over the limit, with a length", async () => {
    const before = upstream.bytes;
    const { status } = await world.exchange(
      limited,
      message(["POST / HTTP/1.1", "Host: a", `Content-Length: ${total}`]),
    );
    mustEqual([status, upstream.bytes], [413, before], "the answer, and the bytes upstream");
  });
  return cases.verdict(`bodies held to the limit; memory ${megabytes(grown)} more for ${megabytes(total)}`);
}

async function inspected(world) {
  const cases = createCases();
  const { first, proxy } = await models2(world, { limits: { inspect: 2 ** 20 } });
  const before = proxy.memory();
  const over = message(["POST /hostile HTTP/1.1", "Host: a", json, "Transfer-Encoding: chunked"]);
  await cases.try("over the limit", async () => {
    for (const bytes of [
      post("/hostile", `{"model":"a","x":"${"x".repeat(2 ** 20)}"}`, json),
      `${over}${chunk(`{"model":"a","x":"${"x".repeat(2 ** 20)}`)}`,
    ])
      mustEqual((await world.exchange(proxy, bytes)).status, 413, "the status");
    must(!first.received.includes("hostile"), "some of it reached the upstream");
  });
  await cases.try("200 at once, each almost whole, then all of them leave", async () => {
    const most = `{"model":"a","x":"${"x".repeat(2 ** 18)}`;
    const clients = await Promise.all(Array.from({ length: 200 }, () => world.client(proxy)));
    await Promise.all(clients.map((client) => client.send(over + chunk(most))));
    mustEqual((await world.exchange(proxy, post("/v1/x", a, json))).text, "a", "another answer meanwhile");
    for (const client of clients) client.destroy();
    must(!first.received.includes("hostile"), "some of it reached the upstream");
  });
  const grown = Math.max(0, proxy.memory() - before);
  await cases.try("memory", () => must(grown < 200 * 2 ** 20, `grew by ${megabytes(grown)}`));
  return cases.verdict(`floods held; memory ${megabytes(grown)} more after 200 x 256 KiB`);
}

async function compressed(world) {
  const cases = createCases();
  const { first, second, proxy } = await models2(world);
  const bomb = gzipSync(Buffer.alloc(10_000_000)).toString("latin1");
  const before = proxy.memory();
  for (const coding of ["gzip", "gzip, gzip", "br", "deflate", "x-gzip", "GZIP"]) {
    await cases.try(`${coding}, where the model is read`, async () => {
      const { status } = await world.exchange(proxy, post("/v1/x", bomb, json, `Content-Encoding: ${coding}`));
      must([413, 415].includes(status), `was answered with ${status}`);
      must(first.requests.length + second.requests.length === 0, "it reached an upstream");
    });
  }
  const plain = await world.pair(answering(ok()));
  await cases.try("gzip, where nothing is read", async () => {
    await world.exchange(plain.proxy, post("/v1/x", bomb, json, "Content-Encoding: gzip"));
    must(plain.upstream.received.toString("latin1").endsWith(bomb), "its bytes did not arrive");
  });
  const grown = Math.max(0, proxy.memory() - before);
  await cases.try("memory", () => must(grown < 32 * 2 ** 20, `grew by ${megabytes(grown)}`));
  return cases.verdict("bombs not inflated");
}

async function compressedAnswers(world) {
  const cases = createCases();
  const good = gzipSync('data: {"usage":{"prompt_tokens":1}}\n\n'.repeat(100)).toString("latin1");
  for (const type of ["application/json", "text/event-stream", "text/plain"]) {
    for (const [name, body] of [
      ["good", good],
      ["cut", good.slice(0, -9)],
      ["corrupt", `${good.slice(0, 20)}\0\0\0${good.slice(23)}`],
      ["not gzip at all", "hello"],
    ]) {
      await cases.try(`${name}, ${type}`, async () => {
        const answer = ok(body, `Content-Type: ${type}`, "Content-Encoding: gzip");
        const { proxy } = await world.pair(answering(answer), { plugins: "sse(), all.jsonUsage()," });
        const response = await world.exchange(proxy, post("/", a, json, "Accept-Encoding: gzip"));
        mustEqual([response.text === body, response.ending], [true, "complete"], "the same bytes, whole");
        mustEqual(response.get("content-encoding"), "gzip", "Content-Encoding");
      });
    }
  }
  return cases.verdict("answers unchanged");
}

async function types(world) {
  const cases = createCases();
  const key = "client-key-0123456789";
  const guard = `all.keys({ keys: [{ name: "c", hash: "${sha(key)}", models: ["a"] }] }),`;
  const { second, proxy } = await models2(world, { plugins: guard + plugins });
  const spelt =
    "application/json|Application/JSON|application/json ; charset=utf-8|application/json\t;x|text/json|json|*/*|" +
    "application/jsonx|application/json;|application/vnd.x+json|text/plain||application/json, a/b|application/json/x|" +
    "application/x-www-form-urlencoded|multipart/form-data; boundary=a";
  for (const type of spelt.split("|")) {
    await cases.try(JSON.stringify(type), async () => {
      const request = post("/v1/x", '{"model":"b"}', `Content-Type: ${type}`, `Authorization: Bearer ${key}`);
      const { status } = await world.exchange(proxy, request);
      must(second.requests.length === 0, `got past the guard, with ${status}`);
    });
  }
  return cases.verdict("types do not get a client another model than its own");
}

async function multipart(world) {
  const cases = createCases();
  const { first, second, proxy } = await models2(world);
  const audio = Buffer.from(Array.from({ length: 4_096 }, (_, index) => index % 256)).toString("latin1");
  for (const boundary of ["x", "----WebKitFormBoundary7MA4YWxkTrZu0gW"]) {
    const part = (name, value) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const body = `${part("model", "b")}${part("file", audio)}--${boundary}--\r\n`;
    await cases.try(boundary, async () => {
      const type = `Content-Type: multipart/form-data; boundary=${boundary}`;
      mustEqual((await world.exchange(proxy, post("/v1/audio", body, type))).status, 200, "the status");
      const arrived = [first, second].some(({ received }) => received.toString("latin1").endsWith(body));
      must(arrived, "its bytes did not arrive");
    });
  }
  return cases.verdict("bodies unchanged");
}
