import { setTimeout as delay } from "node:timers/promises";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, chunk, get, lastChunk, message, ok, okChunked, okEvents, within } from "../wire.mjs";

const lengthHead = message(["HTTP/1.1 200 OK", "Content-Length: 100"]);

/** Section F of the promises: faults of an upstream after it has begun to answer. */
export const afterHead = [
  { id: "F-1", promise: "An answer that was cut is never seen as whole, within 100 ms", run: cutAnswers },
  { id: "F-2", promise: "kill -9 of an upstream cuts its streams, all of them, and no other", run: killed },
  { id: "F-3", promise: "A cut event stream ends with an error event and without its last chunk", run: errorEvent },
  { id: "F-4", promise: "HEAD, 204, 205 and 304 have the framing they may have, whatever follows them", run: bodiless },
  { id: "F-6", promise: "An answer that nobody asked for is never taken for the next one", run: unasked },
];

async function cutAnswers(world) {
  const cases = createCases();
  const upstream = await world.upstream();
  const proxy = await world.proxy([upstream]);
  const delays = [];
  for (const [name, head] of [
    ["chunks", okChunked() + chunk("half")],
    ["inside a chunk", `${okChunked()}64\r\nhalf`],
    ["a length", `${lengthHead}half`],
  ]) {
    for (const how of ["reset", "close"]) {
      await cases.try(`${name}, ${how}`, async () => {
        const client = await world.client(proxy);
        await client.send(get("/"));
        const peer = await within(upstream.accept(), "a connection to the upstream");
        await peer.request();
        await peer.write(head);
        const response = await within(client.head(), "the head");
        await within(response.next(), "the first half");
        await peer[how]();
        const cutAt = performance.now();
        const { ending } = await within(response.whole(), "the end", 1_000);
        delays.push(performance.now() - cutAt);
        must(ending !== "complete", "the answer looked whole");
        must(delays.at(-1) < 100, `the end came after ${Math.round(delays.at(-1))} ms`);
      });
    }
  }
  const answer = okChunked() + chunk("a".repeat(500)) + lastChunk;
  const whole = await world.upstream(answering(answer));
  const { length } = answer;
  for (const faults of [300, length - 5, length - 2].flatMap((at) => [{ limit: at }, { resetAfter: at }])) {
    const injector = await world.injector(whole.port, faults);
    const cut = await world.proxy([injector]);
    await cases.try(`on the way, ${JSON.stringify(faults)}`, async () => {
      must((await world.exchange(cut, get("/"))).ending !== "complete", "the answer looked whole");
    });
  }
  return cases.verdict(`cuts seen by the client, after ${Math.max(0, ...delays).toFixed(1)} ms at most`);
}

async function killed(world) {
  const count = 500;
  const upstreams = [await world.upstreamProcess({ name: "one" }), await world.upstreamProcess({ name: "two" })];
  const proxy = await world.proxy(upstreams);
  const streams = await Promise.all(Array.from({ length: 2 * count }, () => openStream(world, proxy)));
  const of = (name) => streams.filter((stream) => stream.name === name);
  mustEqual([of("one").length, of("two").length], [count, count], "the streams of each upstream");
  upstreams[0].signal("SIGKILL");
  const killedAt = performance.now();
  const endings = await within(Promise.all(of("one").map(({ response }) => response.whole())), "its streams end");
  const took = Math.round(performance.now() - killedAt);
  mustEqual(endings.filter(({ ending }) => ending === "complete").length, 0, "the number of streams that looked whole");
  await within(Promise.all(of("two").map(({ response }) => response.next())), "an event on each of the others");
  await delay(300);
  const lost = of("two").filter(({ response }) => response.ending !== undefined).length;
  mustEqual(lost, 0, "the number of other streams lost");
  for (let index = 0; index < 20; index++)
    mustEqual((await world.exchange(proxy, get("/"))).status, 200, `the status of request ${index} afterwards`);
  return {
    kept: true,
    figure: `${count} of ${count} cut within ${took} ms, 0 of ${count} others lost, 20 of 20 requests after it served`,
  };
}

async function openStream(world, proxy) {
  const client = await world.client(proxy);
  await client.send(get("/stream"));
  const response = await within(client.head(), "a stream", 20_000);
  const first = await within(response.next(), "its first event", 20_000);
  return { response, name: /data: (\w+)/.exec(first.data.toString())?.[1] };
}

async function errorEvent(world) {
  const cases = createCases();
  for (const how of ["reset", "close"]) {
    const upstream = await world.upstream(async (peer) => {
      await peer.request();
      await peer.write(okEvents() + chunk("data: one\n\n"));
      await peer[how]();
    });
    const proxy = await world.proxy([upstream], { plugins: 'sse({ errorEvent: "event" }),' });
    await cases.try(how, async () => {
      const { ending, text } = await world.exchange(proxy, get("/"));
      must(ending !== "complete", "the stream looked whole");
      const [, event = "", data = ""] = text.split("\n").filter((line) => line !== "");
      mustEqual([text.startsWith("data: one\n\n"), event], [true, "event: error"], "the stream");
      must(JSON.parse(data.slice("data: ".length)).error !== undefined, "the event has no error");
      must(!/127\.0\.0\.1|ECONN/.test(text), "the event tells of the inside");
    });
  }
  return cases.verdict("cut streams tell their end");
}

async function bodiless(world) {
  const cases = createCases();
  const not = message(["HTTP/1.1 304 Not Modified", "Content-Length: 5", "ETag: a"]);
  for (const [name, method, answer, wanted] of [
    ["HEAD with a length", "HEAD", message(["HTTP/1.1 200 OK", "Content-Length: 5"]), ["5", undefined]],
    ["304 with a length", "GET", not, ["5", undefined]],
    ["204", "GET", message(["HTTP/1.1 204 No Content"]), [undefined, undefined]],
    ["204 with a length", "GET", message(["HTTP/1.1 204 No Content", "Content-Length: 0"]), [undefined, undefined]],
    ["205", "GET", message(["HTTP/1.1 205 Reset Content", "Content-Length: 0"]), ["0", undefined]],
    ["304 and a body all the same", "GET", `${not}evil!`, ["5", undefined]],
    ["HEAD and a body all the same", "HEAD", ok("evil!"), ["5", undefined]],
  ]) {
    await cases.try(name, async () => {
      const upstream = await world.upstream(answering(({ path }) => (path === "/after" ? ok("after") : answer)));
      const proxy = await world.proxy([upstream]);
      const client = await world.client(proxy);
      await client.send(message([`${method} / HTTP/1.1`, "Host: a"]));
      const response = await within(client.response(method), "an answer");
      mustEqual([response.get("content-length"), response.get("transfer-encoding")], wanted, "the framing");
      await client.send(get("/after"));
      const next = await within(client.response(), "the next answer");
      mustEqual([next.status, next.text], [200, "after"], "the next answer");
    });
  }
  return cases.verdict("answers framed right, the next one on the connection whole");
}

async function unasked(world) {
  const cases = createCases();
  const upstream = await world.upstream(answering(({ path }) => ok(path) + ok("poison")));
  const proxy = await world.proxy([upstream]);
  const client = await world.client(proxy);
  for (let index = 0; index < 20; index++) {
    await cases.try(`request ${index}`, async () => {
      await client.send(get(`/${index}`));
      mustEqual((await within(client.response(), "an answer")).text, `/${index}`, "the answer");
    });
  }
  return cases.verdict("requests got their own answer");
}
