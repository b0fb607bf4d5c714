import type { ServerHttp2Stream } from "node:http2";
import { describe, expect, test } from "vitest";
import { eventually } from "../e2e/eventually.ts";
import { openHttp2 } from "./http2-upstream.ts";
import { get, message, postHead } from "./messages.ts";
import { at, within } from "./waiting.ts";

const answer = (stream: ServerHttp2Stream): void => {
  stream.respond({ ":status": 200, "x-from": "h2" });
  stream.end("ok");
};

describe("an answer over HTTP/2", () => {
  test("is passed on as it comes", async () => {
    const streams: ServerHttp2Stream[] = [];
    const { wire, upstream } = await openHttp2((stream) => void streams.push(stream));
    const client = await wire.client();
    await client.send(get("/"));
    await within(upstream.seen.reached(1), "the request arrives");
    const stream = at(streams);
    stream.respond({ ":status": 200, "content-type": "text/event-stream" });
    const response = await within(client.head(), "the head comes before the body");
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      stream.write(event);
      const chunk = await within(response.next(), "an event comes before the next one");
      expect(chunk?.data.toString()).toBe(event);
    }
    stream.end();
    expect((await response.whole()).ending).toBe("complete");
  });

  test("is told early hints before it, and nothing of a 100", async () => {
    const { wire } = await openHttp2((stream) => {
      stream.additionalHeaders({ ":status": 100 });
      stream.additionalHeaders({ ":status": 103, link: "</a.css>" });
      answer(stream);
    });
    const response = await wire.exchange(get("/"));
    expect([response.status, response.text]).toEqual([200, "ok"]);
    expect(response.informational.map(({ startLine }) => startLine)).toEqual(["HTTP/1.1 103 Early Hints"]);
  });

  test("has its trailers, behind all of its body, also when the client reads late", async () => {
    const size = 4_000_000;
    const { wire } = await openHttp2((stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ "x-sum": "abc", "content-type": "no" }));
      stream.end(Buffer.alloc(size, "x"));
    });
    const client = await wire.client();
    client.pause();
    await client.send(get("/", "TE: trailers", "Connection: TE"));
    await new Promise((resolve) => setImmediate(resolve));
    client.resume();
    const response = await client.response();
    expect([response.ending, response.body.length]).toEqual(["complete", size]);
    expect(response.trailers).toEqual([["x-sum", "abc"]]);
  });

  test.each<[string, number, Record<string, string>]>([
    ["HEAD", 200, { "content-length": "1234" }],
    ["GET", 204, {}],
    ["GET", 304, { "content-length": "1234", etag: '"a"' }],
  ])("to %s with %i has no body, and the connection goes on", async (method, status, headers) => {
    const { wire, upstream } = await openHttp2((stream) => {
      stream.respond({ ":status": status, ...headers }, { endStream: true });
    });
    const client = await wire.client();
    for (let i = 0; i < 2; i++) {
      await client.send(message([`${method} / HTTP/1.1`, "Host: proxy.test"]));
      const response = await client.response(method);
      expect([response.status, response.body.length]).toEqual([status, 0]);
      expect(response.get("content-length")).toBe(headers["content-length"]);
    }
    expect(upstream.open.size).toBe(1);
  });

  test("is held back while the client does not read, and others on the connection are not", async () => {
    let written = 0;
    const { wire, upstream } = await openHttp2((stream, head) => {
      if (head[":path"] !== "/large") return answer(stream);
      stream.respond({ ":status": 200 });
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (written < 400_000_000) {
          written += piece.length;
          if (!stream.write(piece)) return void stream.once("drain", more);
        }
        stream.end();
      };
      more();
    });
    const slow = await wire.client();
    slow.pause();
    await slow.send(get("/large"));
    let before = -1;
    await eventually(async () => {
      const last = before;
      before = written;
      for (let i = 0; i < 20; i++) expect((await wire.exchange(get("/small"))).text).toBe("ok");
      expect(written).toBeGreaterThan(0);
      expect(written).toBe(last);
    });
    expect(written).toBeLessThan(40_000_000);
    expect(upstream.open.size).toBe(1);
  });

  test("that comes before the request's body was sent is passed on, and the rest is not wanted", async () => {
    const codes: number[] = [];
    const { wire } = await openHttp2((stream) => {
      stream.once("close", () => codes.push(stream.rstCode));
      stream.respond({ ":status": 413 });
      stream.end("no");
    });
    const client = await wire.client();
    await client.send(`${postHead("/", 1_000_000)}some`);
    const response = await client.response();
    expect([response.status, response.text]).toEqual([413, "no"]);
    await eventually(() => expect(codes).toHaveLength(1));
  });
});

describe("a client that leaves", () => {
  test.each([
    ["before the answer", false],
    ["in the middle of the answer", true],
  ])("%s resets its stream, and no other of the connection", async (_when, begun) => {
    const streams: ServerHttp2Stream[] = [];
    const { wire, upstream } = await openHttp2((stream) => void streams.push(stream));
    const [leaving, staying] = [await wire.client(), await wire.client()];
    await leaving.send(get("/leaving"));
    await within(upstream.seen.reached(1), "the request arrives");
    await staying.send(get("/staying"));
    await within(upstream.seen.reached(2), "the other one arrives");
    const left = at(streams);
    const closed = new Promise<number>((resolve) => left.once("close", () => resolve(left.rstCode)));
    if (begun) {
      left.respond({ ":status": 200 });
      left.write("some");
      await (await leaving.head()).next();
    }
    leaving.destroy();
    expect(await within(closed, "the stream is reset", 1_000)).toBe(8);
    at(streams, 1).respond({ ":status": 200 });
    at(streams, 1).end("all");
    const response = await staying.response();
    expect([response.ending, response.text]).toEqual(["complete", "all"]);
    expect(upstream.open.size).toBe(1);
  });

  test("in the middle of its upload never makes a whole request of it", async () => {
    let ended = false;
    const streams: ServerHttp2Stream[] = [];
    const { wire, upstream } = await openHttp2((stream) => {
      streams.push(stream);
      stream.once("data", () => upstream.seen.add());
      stream.once("end", () => (ended = !stream.aborted));
    });
    const client = await wire.client();
    await client.send(`${postHead("/", 100)}some`);
    await within(upstream.seen.reached(2), "the body begins");
    const aborted = new Promise((resolve) => at(streams).once("aborted", resolve));
    client.destroy();
    await within(aborted, "the upload is aborted", 1_000);
    expect(ended).toBe(false);
  });
});
