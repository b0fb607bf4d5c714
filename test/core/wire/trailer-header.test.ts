import { describe, expect, test } from "vitest";
import { answering } from "../../wire/evil-upstream.ts";
import { get, message } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";

// An upstream may announce trailers (RFC 9110 6.6.2) whatever the framing; Node's writeHead throws on a Trailer header
// without chunks.

describe("a response that announces trailers and", () => {
  test.each([
    ["has a length", message(["HTTP/1.1 200 OK", "Trailer: X-Sum", "Content-Length: 2"], "ok"), get("/"), "GET", "ok"],
    ["has no body", message(["HTTP/1.1 204 No Content", "Trailer: X-Sum"]), get("/"), "GET", ""],
    [
      "answers HEAD",
      message(["HTTP/1.1 200 OK", "Trailer: X-Sum", "Content-Length: 2"]),
      message(["HEAD / HTTP/1.1", "Host: a"]),
      "HEAD",
      "",
    ],
    [
      "goes to a client of HTTP/1.0",
      message(["HTTP/1.1 200 OK", "Trailer: X-Sum", "Transfer-Encoding: chunked"], "2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
      message(["GET / HTTP/1.0", "Host: a"]),
      "GET",
      "ok",
    ],
  ])("%s is passed on", async (_what, response, request, method, body) => {
    const wire = await openWire(answering(response));
    const { status, text } = await wire.exchange(request, method);
    expect([status < 300, text]).toEqual([true, body]);
  });
});
