import { describe, expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { chunk, get, lastChunk, message, ok, okEvents, postHead } from "./messages.ts";
import { openAsked, openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

const ok200 = "HTTP/1.1 200 OK";

describe("time", () => {
  test("headers are forwarded when they arrive, not with the first byte of the body", async () => {
    const { client, peer } = await openAsked();
    await peer.write(okEvents());
    const response = await within(client.head(), "the head arrives");
    expect(response.get("content-type")).toBe("text/event-stream");
    await peer.write(chunk("data: 1\n\n") + lastChunk);
    expect(await response.whole()).toMatchObject({ text: "data: 1\n\n", ending: "complete" });
  });

  test("headers with a length too", async () => {
    const { client, peer } = await openAsked();
    await peer.write(message([ok200, "Content-Length: 5"]));
    const response = await within(client.head(), "the head arrives");
    await peer.write("hello");
    expect((await response.whole()).text).toBe("hello");
  });
});

describe("responses without a body", () => {
  const cases: readonly (readonly [method: string, head: readonly string[], length: string | undefined])[] = [
    ["HEAD", [ok200, "Content-Length: 5"], "5"],
    ["HEAD", [ok200, "Content-Length: 0"], "0"],
    ["HEAD", [ok200], undefined],
    ["HEAD", ["HTTP/1.1 404 Not Found", "Content-Length: 9"], "9"],
    ["HEAD", ["HTTP/1.1 304 Not Modified", "Content-Length: 9"], "9"],
    ["GET", ["HTTP/1.1 304 Not Modified"], undefined],
    ["GET", ["HTTP/1.1 304 Not Modified", "Content-Length: 5"], "5"],
    ["GET", ["HTTP/1.1 204 No Content"], undefined],
    ["GET", ["HTTP/1.1 204 No Content", "Content-Length: 0"], undefined],
    ["DELETE", ["HTTP/1.1 204 No Content"], undefined],
    ["GET", ["HTTP/1.1 205 Reset Content", "Content-Length: 0"], "0"],
  ];

  test.each(cases)("%s and %j: Content-Length is %s, and the connection goes on", async (method, head, length) => {
    const wire = await openWire(
      answering(({ path }) => (path === "/next" ? ok("next") : message([...head, "X-A: a"]))),
    );
    const client = await wire.client();
    await client.send(message([`${method} / HTTP/1.1`, "Host: a"]) + get("/next"));
    const response = await client.response(method);
    expect(`HTTP/1.1 ${response.status}`).toBe(head[0]?.slice(0, 12));
    expect(response.get("content-length")).toBe(length);
    if (response.status === 204 || response.status === 304) expect(response.get("transfer-encoding")).toBeUndefined();
    expect(response.get("x-a")).toBe("a");
    expect(await client.response()).toMatchObject({ status: 200, text: "next" });
  });

  test.each([
    ["HEAD", message([ok200, "Content-Length: 5"], "extra")],
    ["GET", message(["HTTP/1.1 304 Not Modified", "Content-Length: 5"], "extra")],
    ["GET", message(["HTTP/1.1 204 No Content", "Content-Length: 5"], "extra")],
    ["GET", message([ok200, "Content-Length: 0"], "extra")],
  ])("%s: bytes behind %j reach nobody", async (method, bytes) => {
    const wire = await openWire(answering(({ path }) => (path === "/next" ? ok("next") : bytes)));
    const client = await wire.client();
    await client.send(message([`${method} / HTTP/1.1`, "Host: a"]));
    await client.response(method);
    await client.send(get("/next"));
    expect(await client.response()).toMatchObject({ status: 200, text: "next" });
    expect(client.reader.received.toString("latin1")).not.toContain("extra");
  });
});

describe("unexpected answers", () => {
  test("a response that nobody asked for never answers the next request", async () => {
    const wire = await openWire(answering((request) => ok(request.path) + ok("poison")));
    const client = await wire.client();
    for (const path of ["/1", "/2", "/3"]) {
      await client.send(get(path));
      expect(await client.response()).toMatchObject({ status: 200, text: path });
    }
  });

  test("nor one that comes on an idle connection", async () => {
    const wire = await openWire();
    const client = await wire.client();
    await client.send(get("/1"));
    const peer = await wire.upstream.accept();
    await peer.request();
    await peer.write(ok("first"));
    expect((await client.response()).text).toBe("first");
    await peer.write(ok("poison"));
    await within(peer.ending, "the poisoned connection closes");
    await client.send(get("/2"));
    const next = await wire.upstream.accept();
    await next.request();
    await next.write(ok("second"));
    expect((await client.response()).text).toBe("second");
  });

  test("an answer to half an upload is delivered, the upload stops, the connection is not used again", async () => {
    const wire = await openWire();
    const client = await wire.client();
    await client.send(postHead("/", 100_000_000));
    await client.send("a".repeat(100_000));
    const peer = await wire.upstream.accept();
    await peer.head();
    await peer.write(message(["HTTP/1.1 413 Payload Too Large", "Content-Length: 7"], "too big"));
    void client.send("a".repeat(100_000));
    expect(await client.response()).toMatchObject({
      status: 413,
      text: "too big",
      ending: "complete",
    });
    await within(peer.ending, "the upload stops");
  });

  test("after it the client's connection goes on, or is closed: it never hangs", async () => {
    const wire = await openWire(async (peer) => {
      const { path } = await peer.head();
      await peer.write(path === "/next" ? ok("next") : ok("early"));
    });
    const client = await wire.client();
    await client.send(`${postHead("/", 100_000_000)}${"a".repeat(100_000)}`);
    expect((await client.response()).text).toBe("early");
    void client.send(Buffer.alloc(99_900_000));
    void client.send(get("/next"));
    const goesOn = client.response().then(
      (response) => response.text,
      () => "closed",
    );
    expect(["next", "closed"]).toContain(await within(goesOn, "something happens"));
  });

  test.each([301, 302, 307, 308])("%i is passed on, never followed", async (status) => {
    const elsewhere = "http://127.0.0.1:1/";
    const wire = await openWire(
      answering(message([`HTTP/1.1 ${status} Moved`, `Location: ${elsewhere}`, "Content-Length: 0"])),
    );
    const response = await wire.exchange(get("/"));
    expect(response.status).toBe(status);
    expect(response.get("location")).toBe(elsewhere);
  });

  test.each([400, 404, 418, 429, 500, 503])("a whole %i of the upstream is passed on untouched", async (status) => {
    const wire = await openWire(
      answering(message([`HTTP/1.1 ${status} Whatever`, "Retry-After: 7", "Content-Length: 5"], "hello")),
    );
    const response = await wire.exchange(get("/"));
    expect(response).toMatchObject({ status, text: "hello" });
    expect(response.get("retry-after")).toBe("7");
    expect(response.get("x-proxy-error")).toBeUndefined();
    expect(wire.upstream.requests).toHaveLength(1);
  });
});
