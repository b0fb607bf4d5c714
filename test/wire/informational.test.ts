import { describe, expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { chunk, get, message, ok, okChunked } from "./messages.ts";
import { errorCode, openAsked, openWire } from "./open-wire.ts";

// What comes before and after a response: 1xx and trailers.

describe("informational responses", () => {
  const hints = message(["HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload"]);

  test("103 is forwarded at once", async () => {
    const { client, peer } = await openAsked();
    await peer.write(hints);
    expect(await client.reader.line()).toBe("HTTP/1.1 103 Early Hints");
    while ((await client.reader.line()) !== "");
    await peer.write(ok("done"));
    expect(await client.response()).toMatchObject({ status: 200, text: "done" });
  });

  test("the headers of 103 are forwarded, and not again with the response", async () => {
    const wire = await openWire(answering(hints + hints + ok()));
    const { informational, headers } = await wire.exchange(get("/"));
    expect(informational.map((head) => head.get("link"))).toEqual(["</a>; rel=preload", "</a>; rel=preload"]);
    expect(headers.map(([name]) => name.toLowerCase())).not.toContain("link");
  });

  test("a client of HTTP/1.0 gets none", async () => {
    const wire = await openWire(answering(hints + ok("done")));
    const response = await wire.exchange(message(["GET / HTTP/1.0", "Host: a"]));
    expect(response).toMatchObject({ status: 200, text: "done", informational: [] });
  });

  test("more than 32 of them: 502", async () => {
    const wire = await openWire(answering(hints.repeat(33) + ok("evil")));
    const response = await wire.exchange(get("/"));
    expect(response.status).toBe(502);
    expect(errorCode(response)).toBe("upstream_protocol");
  });

  test("102 does not end the exchange", async () => {
    const wire = await openWire(answering(message(["HTTP/1.1 102 Processing"]) + ok("done")));
    expect(await wire.exchange(get("/"))).toMatchObject({ status: 200, text: "done" });
  });
});

const withTrailers = (...trailers: string[]): string =>
  okChunked("Trailer: X-Sum") + chunk("hello") + message(["0", ...trailers]);

describe("trailers", () => {
  test("are forwarded to a client that takes them", async () => {
    const wire = await openWire(answering(withTrailers("X-Sum: 1", "X-Unannounced: 2")));
    const response = await wire.exchange(get("/", "TE: trailers", "Connection: TE"));
    expect(response).toMatchObject({ text: "hello", ending: "complete" });
    expect(response.trailers.map(([name, value]) => [name.toLowerCase(), value])).toEqual([
      ["x-sum", "1"],
      ["x-unannounced", "2"],
    ]);
  });

  test.each([
    ["HEAD", message(["HEAD / HTTP/1.1", "Host: a"])],
    ["HTTP/1.0", message(["GET / HTTP/1.0", "Host: a"])],
  ])("that are announced do not spoil the answer to %s", async (method, bytes) => {
    const announced = okChunked("Trailer: X-Sum");
    const wire = await openWire(answering(method === "HEAD" ? announced : withTrailers("X-Sum: 1")));
    const response = await wire.exchange(bytes, method);
    expect(response).toMatchObject({ status: 200, ending: "complete" });
    expect(response.get("trailer")).toBeUndefined();
  });

  test("are dropped for a client that did not ask", async () => {
    const wire = await openWire(answering(withTrailers("X-Sum: 1")));
    expect(await wire.exchange(get("/"))).toMatchObject({
      text: "hello",
      ending: "complete",
      trailers: [],
    });
  });

  test.each([
    "Content-Length: 1",
    "Transfer-Encoding: chunked",
    "Connection: close",
    "Keep-Alive: a",
    "Host: evil",
    "Authorization: evil",
    "Set-Cookie: evil=1",
    "Content-Type: text/evil",
    "Content-Encoding: gzip",
    "Trailer: evil",
  ])("%s is no trailer", async (line) => {
    const wire = await openWire(answering(withTrailers("X-Sum: 1", line)));
    const response = await wire.exchange(get("/", "TE: trailers", "Connection: TE"));
    // An upstream that frames a message in its trailers may as well be cut off.
    if (response.status === 200 && response.ending === "complete") {
      expect(response.trailers.map(([name]) => name.toLowerCase())).toEqual(["x-sum"]);
    }
    expect(response.text).not.toContain("evil");
  });
});
