import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, chunk, get, lastChunk, message, ok, rawClient, within } from "../wire.mjs";
import { bothFramings, chunkedBodies, codings, headerLines, lengths, smuggled, startLines } from "./framing-cases.mjs";
import { mustBeClean, refuseAll } from "./refusing.mjs";

const refused = (list, statuses) => async (world) => {
  const cases = createCases();
  await refuseAll(world, cases, list, { statuses });
  return cases.verdict("refused and closed, none of their bytes upstream");
};

/** Section A of the promises: where a request ends is one truth. */
export const framing = [
  { id: "A1", promise: "A request with a length and chunks is refused", run: refused(bothFramings) },
  { id: "A2", promise: "A length that is not one plain number is refused", run: refused(lengths) },
  {
    id: "A3",
    promise: "A transfer coding that is not exactly chunked is refused",
    run: refused(codings, [400, 501]),
  },
  {
    id: "A4",
    promise: "A malformed chunk ends the request, and no client framing reaches the upstream",
    run: badChunks,
  },
  { id: "A5", promise: "A malformed header line is refused", run: refused(headerLines) },
  {
    id: "A6",
    promise: "Bare line ends, other versions and odd methods are refused",
    run: refused(startLines, [400, 505]),
  },
  { id: "A7", promise: "A GET, HEAD, DELETE or OPTIONS with a body keeps it whole", run: oddBodies },
  { id: "A8", promise: "Pipelined requests are answered in order, up to the first malformed one", run: pipelining },
];

async function badChunks(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  for (const [name, bytes] of chunkedBodies) {
    await cases.try(name, async () => {
      const before = upstream.received.length;
      const client = await rawClient(proxy.port);
      void client.send(bytes);
      const status = await within(client.response(), "an answer").then(
        (response) => response.status,
        (error) => (/the connection ended/.test(error.message) ? "closed" : Promise.reject(error)),
      );
      must([400, 413, "closed"].includes(status), `was answered with ${status}`);
      await within(client.ending, "the connection closes");
      client.destroy();
      await mustBeClean(world, proxy, upstream, { hostile: /smuggled|0\r\n\r\n/, before });
    });
  }
  return cases.verdict("ended, and the upstream never saw the body end");
}

async function oddBodies(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(
    answering((request) => ok(request.method === "HEAD" ? "" : request.text)),
  );
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"]) {
    for (const [name, lines, body] of [
      ["a length", ["Content-Length: 5"], "hello"],
      ["chunks", ["Transfer-Encoding: chunked"], chunk("hello") + lastChunk],
    ]) {
      await cases.try(`${method} with ${name}`, async () => {
        const client = await world.client(proxy);
        await client.send(message([`${method} /odd HTTP/1.1`, "Host: a", ...lines], body) + get("/after"));
        const { status, text } = await within(client.response(method), "an answer");
        if (status === 400) return;
        mustEqual([status, text], [200, method === "HEAD" ? "" : "hello"], "the answer");
        mustEqual((await within(client.response(), "the next answer")).status, 200, "the next answer");
        mustEqual(upstream.requests.at(-2).method, method, "the method upstream");
        mustEqual(upstream.requests.at(-1).path, "/after", "the path of the next request");
      });
    }
  }
  return cases.verdict("arrive with their body");
}

async function pipelining(world) {
  const cases = createCases();
  const { proxy } = await world.pair(answering((request) => ok(request.path)));
  const paths = Array.from({ length: 50 }, (_, index) => `/${index}`);
  await cases.try("fifty", async () => {
    const client = await world.client(proxy);
    void client.send(paths.map((path) => get(path)).join(""));
    for (const path of paths) mustEqual((await within(client.response(), path)).text, path, "the answer");
  });
  await cases.try("a malformed one behind three", async () => {
    const client = await world.client(proxy);
    void client.send(`${get("/0") + get("/1") + get("/2")}GET /bad HTTP/1.1\r\nHost : a\r\n\r\n${smuggled}`);
    for (const path of ["/0", "/1", "/2"]) mustEqual((await within(client.response(), path)).text, path, "the answer");
    mustEqual((await within(client.response(), "the refusal")).status, 400, "the refusal");
    await within(client.ending, "the connection closes");
  });
  return cases.verdict("pipelines are answered as they should be");
}
