import fc from "fast-check";
import { expect, test } from "vitest";
import { answering } from "../wire/evil-upstream.ts";
import { chunk, get, lastChunk, message, ok, okChunked, post, postChunked } from "../wire/messages.ts";
import { openWire } from "../wire/open-wire.ts";
import { within } from "../wire/waiting.ts";
import { damaged, fuzz } from "./fuzz.ts";

const headerLines =
  "Host: evil|Content-Length: 5|Content-Length: 0|Transfer-Encoding: chunked|Transfer-Encoding: x|Connection: host|" +
  "Upgrade: h2c|TE: trailers|Expect: 100-continue|__proto__: 1| folded|A: 1|GET /x HTTP/1.1|5\r\nhello|" +
  "HTTP/1.1 101 Switching Protocols|HTTP/1.1 200 OK|HTTP/2 200";
/** What has been used to make two readers see two requests, or two answers. */
const tricks = [
  ..."\r\n|\r|\n|\r\n\r\n| |\t|:|,|\0|\xa0|\xff|0|5|+|-|;|chunked|%2e|../|#|http://evil/|HTTP/1.0|0\r\n\r\n".split("|"),
  ...headerLines.split("|").map((line) => `${line}\r\n`),
];
const requests = fc.constantFrom(
  get("/a?b=c", "X-A: 1", "Cookie: a=1"),
  post("/a", "hello", "Content-Type: text/plain"),
  postChunked("/a", ["hello", "world"]),
  message(["OPTIONS * HTTP/1.1", "Host: a"]),
  message(["GET http://a/b HTTP/1.1", "Host: a"]),
);

/** Broken anywhere, or with further lines in its head. */
function tampered(messages: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const added = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...headerLines.split("|"))), {
    minLength: 1,
    maxLength: 3,
  });
  const lengthened = fc.tuple(messages, added).map(([text, all]) => {
    const lines = text.split("\r\n");
    const head = lines.indexOf("");
    for (const [at, line] of all) lines.splice(1 + (at % head), 0, line);
    return lines.join("\r\n");
  });
  return fc.oneof(damaged(messages, tricks), lengthened);
}

const refused = new Set([400, 404, 405, 408, 411, 413, 414, 417, 431, 501, 505]);

test("whatever a client sends, it gets answers of HTTP, and the upstream requests with one Host and one framing", async () => {
  // Its reader refuses what is no request of HTTP/1.1, or framed twice; the end of the test tells.
  const wire = await openWire(answering(({ path }) => ok(path)));
  await fuzz(
    tampered(requests),
    async (bytes) => {
      const before = wire.upstream.requests.length;
      const client = await wire.client();
      await client.send(bytes + get("/end", "Connection: close"));
      for (;;) {
        const answer = await within(client.response(), "an answer", 100).catch((error: unknown) => String(error));
        if (typeof answer === "string") {
          expect(answer).toMatch(/not within|the connection ended/);
          break;
        }
        expect(answer.status === 200 || answer.status === 204 || refused.has(answer.status)).toBe(true);
      }
      // What asks for more than it sends waits for it.
      client.halfClose();
      await within(client.ending, "the end of the connection");
      client.destroy();
      for (const request of wire.upstream.requests.slice(before)) {
        expect(request.values("host")).toHaveLength(1);
        expect(request.values("content-length").length + request.values("transfer-encoding").length).toBeLessThan(2);
        for (const name of ["connection", "upgrade", "http2-settings", "keep-alive"])
          expect(request.values(name).filter((one) => one !== "keep-alive" && one !== "close")).toEqual([]);
        expect(request.path).not.toMatch(/^[^/]|#|\/\.\.(?:\/|$)/);
      }
    },
    250,
  );
  expect((await wire.exchange(get("/last"))).text).toBe("/last");
});

test("a request that was cut anywhere leaves the upstream none that is whole, and the proxy as it was", async () => {
  const wire = await openWire(answering(ok()));
  for (const bytes of [get("/cut", "X-A: 1"), post("/cut", "hello"), postChunked("/cut", ["hello"])]) {
    for (let end = 1; end < bytes.length; end += 3) {
      const client = await wire.client();
      await client.send(bytes.slice(0, end));
      client.reset();
    }
  }
  expect((await wire.exchange(get("/last"))).status).toBe(200);
  expect(wire.upstream.received.toString("latin1")).not.toContain(lastChunk);
});

const answers = fc.constantFrom(
  ok("hello", "X-A: 1"),
  okChunked("X-A: 1") + chunk("hello") + lastChunk,
  message(["HTTP/1.1 204 No Content", "X-A: 1"]),
  message(["HTTP/1.1 103 Early Hints", "Link: <a>"]) + ok("hello"),
);

test("whatever an upstream sends, the client gets one answer of HTTP that says whether it is whole", async () => {
  const state = { answer: "" };
  const wire = await openWire(
    answering(async ({ path }, peer) => {
      if (path === "/last") return ok("last");
      await peer.write(state.answer);
      await peer.close();
      return "";
    }),
    { retry: { attempts: 1 } },
  );
  await fuzz(
    tampered(answers),
    async (answer) => {
      state.answer = answer;
      const client = await wire.client();
      await client.send(get("/evil"));
      const response = await within(client.response(), "an answer").catch((error: unknown) => String(error));
      // Bytes that came before the fault was seen are cut, and never end as if they were whole.
      if (typeof response === "string") expect(response).not.toMatch(/not within|not a status line|framed more/);
      else
        expect(response.values("content-length").length + response.values("transfer-encoding").length).toBeLessThan(2);
      client.destroy();
    },
    250,
  );
  expect((await wire.exchange(get("/last"))).text).toBe("last");
});
