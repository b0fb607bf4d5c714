import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, chunk, get, message, ok, okChunked } from "../wire.mjs";

/** The rest of section C of the promises: who may say what in a header. */
export const values = [
  { id: "C3", promise: "What a client says of itself in X-Forwarded-* and the like is overwritten", run: spoofed },
  { id: "C10", promise: "Header values arrive byte for byte, both ways", run: bytes },
  { id: "C14", promise: "Trailers pass to clients that take them, but none that frame or authorise", run: trailers },
];

const claims = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "X-Request-Id"];

async function spoofed(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()));
  await world.exchange(proxy, get("/", ...claims.map((name) => `${name}: spoofed`)));
  for (const name of claims) {
    await cases.try(name, () => {
      const value = upstream.requests[0].values(name).join();
      must(!value.includes("spoofed"), `the upstream got ${JSON.stringify(value)}`);
    });
  }
  return cases.verdict("are overwritten");
}

async function bytes(world) {
  const cases = createCases();
  const visible = Buffer.from(Array.from({ length: 94 }, (_, index) => index + 0x21)).toString("latin1");
  for (const value of ["caf\xe9", Buffer.from("café €").toString("latin1"), "a\tb", visible]) {
    await cases.try(JSON.stringify(value), async () => {
      const { upstream, proxy } = await world.pair(answering(ok("", `X-Back: ${value}`)));
      const response = await world.exchange(proxy, get("/", `X-There: ${value}`));
      mustEqual([upstream.requests[0].get("x-there"), response.get("x-back")], [value, value], "the value");
    });
  }
  return cases.verdict("values unchanged");
}

async function trailers(world) {
  const cases = createCases();
  const answer = (...lines) => okChunked("Trailer: X-Sum") + chunk("hello") + message(["0", "X-Sum: 1", ...lines]);
  const unwanted = ["Host: a", "Authorization: a", "Set-Cookie: a=1", "Connection: close"];
  const framing = { "/length": "Content-Length: 5", "/coding": "Transfer-Encoding: chunked" };
  const upstream = await world.upstream(
    answering(({ path }) => (path in framing ? answer(framing[path]) : answer(...unwanted))),
  );
  const proxy = await world.proxy([upstream]);
  const ask = async (path, ...lines) => {
    const response = await world.exchange(proxy, get(path, ...lines));
    return [response.ending, response.trailers.map(([name]) => name.toLowerCase()).join()];
  };
  const asking = ["TE: trailers", "Connection: TE"];
  await cases.try("asked for", async () => mustEqual(await ask("/", ...asking), ["complete", "x-sum"], "the trailers"));
  await cases.try("not asked for", async () => mustEqual(await ask("/"), ["complete", ""], "the trailers"));
  for (const path of Object.keys(framing)) {
    // Whether such an answer passes without them or is cut is a matter of taste.
    await cases.try(path, async () => must(!/length|coding/.test((await ask(path, ...asking))[1]), "it passed"));
  }
  return cases.verdict("answers have the trailers they should have");
}
