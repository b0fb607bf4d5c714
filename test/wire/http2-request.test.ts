import type { ServerHttp2Stream } from "node:http2";
import { describe, expect, test } from "vitest";
import { quickPlugin } from "../core/quick-plugin.ts";
import { openHttp2, whenRead } from "./http2-upstream.ts";
import { get, post, postChunked } from "./messages.ts";
import { errorCode } from "./open-wire.ts";
import { at, within } from "./waiting.ts";

const answer = (stream: ServerHttp2Stream): void => {
  stream.respond({ ":status": 200, "x-from": "h2" });
  stream.end("ok");
};

describe("a request over HTTP/2", () => {
  test("is what it is over HTTP/1.1", async () => {
    const { wire, upstream } = await openHttp2(answer);
    const response = await wire.exchange(
      get("/a?b=c", "X-One: 1", "X-Two: a", "X-Two: b", "Cookie: a=1", "Cookie: b=2"),
    );
    expect([response.status, response.text, response.get("x-from")]).toEqual([200, "ok", "h2"]);
    const head = at(upstream.requests);
    expect(head).toMatchObject({
      ":method": "GET",
      ":path": "/a?b=c",
      ":scheme": "https",
      ":authority": new URL(upstream.spec.url).host,
      "x-one": "1",
      "x-two": "a, b",
      cookie: "a=1; b=2",
      "x-forwarded-host": "proxy.test",
      via: "1.1 plugboard",
    });
    expect(head["content-length"] ?? head["host"]).toBeUndefined();
  });

  test("has none of the headers of a connection, whoever set them", async () => {
    const odd = quickPlugin("odd", () => ({
      upstreamRequest({ upstream: { headers } }) {
        for (const name of ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding", "expect"])
          headers[name] = "x";
        headers["host"] = "other.test";
        headers["X-Upper"] = "1";
      },
    }));
    const { wire, upstream } = await openHttp2(answer, { plugins: [odd] });
    expect((await wire.exchange(get("/", "TE: trailers", "Connection: TE"))).status).toBe(200);
    const head = at(upstream.requests);
    const names = Object.keys(head).filter((name) => /^(?:connection|keep|proxy|upgrade|transfer|expect)/.test(name));
    expect(names).toEqual([]);
    expect(head).toMatchObject({ ":authority": "other.test", te: "trailers", "x-upper": "1" });
  });

  test.each([
    ["a NUL in a header", "x-bad", "a\0:path\0/evil"],
    ["a line break in a header", "x-bad", "a\r\nb"],
    ["a name that is none", "bad name", "a"],
  ])("that cannot be written, with %s, is an error of the proxy", async (_what, name, value) => {
    const odd = quickPlugin("odd", () => ({
      upstreamRequest: ({ upstream }) => void (upstream.headers[name] = value),
    }));
    const { wire, upstream } = await openHttp2(answer, { plugins: [odd] });
    const response = await wire.exchange(get("/"));
    expect([response.status, errorCode(response)]).toEqual([500, "internal_error"]);
    expect(upstream.requests).toEqual([]);
  });

  test("has the body that the client sent, and its length", async () => {
    const bodies: string[] = [];
    const { wire, upstream } = await openHttp2((stream) =>
      whenRead(stream, (body) => {
        bodies.push(body);
        answer(stream);
      }),
    );
    await wire.exchange(post("/", "hello"));
    await wire.exchange(postChunked("/", ["one", "two"]));
    await wire.exchange(post("/", ""));
    const large = "x".repeat(3_000_000);
    await wire.exchange(post("/", large));
    expect(bodies.map((body) => (body === large ? "large" : body))).toEqual(["hello", "onetwo", "", "large"]);
    const lengths = upstream.requests.map((head) => head["content-length"]);
    expect(lengths).toEqual(["5", undefined, "0", "3000000"]);
  });

  test("has its length also when a plugin has the body read whole", async () => {
    const whole = quickPlugin("whole", ({ needs }) => needs({ body: 1_000 }));
    const { wire, upstream } = await openHttp2((stream) => whenRead(stream, (body) => stream.end(body)), {
      plugins: [whole],
    });
    expect((await wire.exchange(post("/", "hello"))).text).toBe("hello");
    expect(at(upstream.requests)["content-length"]).toBe("5");
  });

  test("shares a connection with others, POSTs and streams among them", async () => {
    const waiting: ServerHttp2Stream[] = [];
    const { wire, upstream } = await openHttp2((stream) => void waiting.push(stream));
    const answers = Array.from({ length: 40 }, (_, i) =>
      wire.exchange(i % 2 === 0 ? get(`/${i}`) : postChunked(`/${i}`, ["body"])),
    );
    await within(upstream.seen.reached(40), "all are under way");
    expect(upstream.open.size).toBe(1);
    waiting.forEach(answer);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(40).fill(200));
  });

  test("takes another connection when the upstream allows no more on one, and waits when that is not allowed", async () => {
    const waiting: ServerHttp2Stream[] = [];
    const { wire, upstream } = await openHttp2((stream) => void waiting.push(stream), {
      server: { settings: { maxConcurrentStreams: 2 } },
      spec: { maxConnections: 2 },
    });
    const answers = Array.from({ length: 6 }, (_, i) => wire.exchange(get(`/${i}`)));
    await within(upstream.seen.reached(4), "four are under way");
    expect(upstream.open.size).toBe(2);
    waiting.splice(0).forEach(answer);
    await within(upstream.seen.reached(6), "the others follow");
    waiting.forEach(answer);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(upstream.open.size).toBe(2);
  });
});
