import { describe, expect, test } from "vitest";
import { closedUrl } from "./closed-port.ts";
import type { Script } from "./evil-upstream.ts";
import { chunk, get, message, ok, okChunked, okEvents, post } from "./messages.ts";
import { errorCode, openWire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";

const ok200 = "HTTP/1.1 200 OK";
const after = (bytes: string, fault: "halfClose" | "close" | "reset"): Script => {
  return async (peer) => {
    await peer.request();
    await peer.write(bytes);
    await peer[fault]();
  };
};

describe("before the head of the response", () => {
  const faults: readonly (readonly [what: string, script: Script])[] = [
    ["a reset when it connects", (peer) => peer.reset()],
    ["a FIN when it connects", (peer) => peer.close()],
    ["a reset after the request", after("", "reset")],
    ["a FIN after the request", after("", "close")],
    ["a half-close after the request", after("", "halfClose")],
    ["a reset in the status line", after("HTTP/1.1 2", "reset")],
    ["a FIN in the middle of the head", after("HTTP/1.1 200 OK\r\nX-A: a\r\n", "close")],
    ["a reset after an informational response", after(message(["HTTP/1.1 103 Early Hints"]), "reset")],
  ];

  test.each(faults)("%s: 502 upstream_reset, and the client's connection goes on", async (_what, script) => {
    const wire = await openWire(script);
    const client = await wire.client();
    for (const path of ["/1", "/2"]) {
      await client.send(post(path, "hello"));
      const response = await client.response();
      expect(response).toMatchObject({ status: 502, ending: "complete" });
      expect(errorCode(response)).toBe("upstream_reset");
    }
  });

  test("a refused connection: 502 connect_failed", async () => {
    const wire = await openWire([], {
      targets: [{ url: await closedUrl() }],
    });
    const response = await wire.exchange(get("/"));
    expect(response.status).toBe(502);
    expect(errorCode(response)).toBe("connect_failed");
  });

  test("no targets: 503 no_targets with Retry-After", async () => {
    const wire = await openWire([]);
    const response = await wire.exchange(get("/"));
    expect(response.status).toBe(503);
    expect(response.get("retry-after")).toBe("1");
    expect(errorCode(response)).toBe("no_targets");
  });

  test("the client is not told where the upstream is", async () => {
    const url = await closedUrl();
    const { port } = new URL(url);
    const wire = await openWire([], { targets: [{ url: `${url}/secret` }] });
    const client = await wire.client();
    await client.send(get("/"));
    await client.response();
    expect(client.reader.received.toString("latin1")).not.toMatch(
      new RegExp(`${port}|secret|127\\.0\\.0\\.1|ECONN|node:`),
    );
  });

  test("an error answers HEAD without a body", async () => {
    const wire = await openWire((peer) => peer.close());
    const client = await wire.client();
    await client.send(message(["HEAD / HTTP/1.1", "Host: a"]) + message(["HEAD / HTTP/1.1", "Host: a"]));
    expect(await client.response("HEAD")).toMatchObject({ status: 502 });
    expect(await client.response("HEAD")).toMatchObject({ status: 502 });
  });
});

describe("after it, the cut is seen", () => {
  const cuts: readonly (readonly [what: string, bytes: string])[] = [
    ["a body with a length", message([ok200, "Content-Length: 100"], "half")],
    ["a body with a length, before its first byte", message([ok200, "Content-Length: 100"])],
    ["chunks", okChunked() + chunk("half")],
    ["chunks, in the middle of one", `${okChunked()}64\r\nhalf`],
    ["chunks, before the first", okChunked()],
    ["chunks, before the last line", `${okChunked()}${chunk("half")}0\r\n`],
    ["an event stream", okEvents() + chunk("data: 1\n\n")],
  ];

  describe.each(["close", "halfClose", "reset"] as const)("when the upstream ends by %s", (fault) => {
    test.each(cuts)("%s", async (_what, bytes) => {
      const seen = recorder();
      const wire = await openWire(after(bytes, fault), { plugins: [seen.plugin] });
      const response = await wire.exchange(get("/"));
      expect(response.status).toBe(200);
      expect(["fin", "reset"]).toContain(response.ending);
      await within(seen.ended(1), "the exchange ends");
      expect(seen.ends.map((end) => end.kind)).toEqual(["stream-error"]);
      expect(seen.attempts.map((attempt) => attempt.outcome.kind)).toEqual(["stream-error"]);
      expect(seen.attempts[0]?.target.live).toMatchObject({ inflight: 0, failures: 1 });
    });

    test.each(cuts.filter(([what]) => what.includes("chunk")))(
      "%s, to a client of HTTP/1.0: an RST",
      async (_what, bytes) => {
        const wire = await openWire(after(bytes, fault));
        const response = await wire.exchange(message(["GET / HTTP/1.0", "Host: a"]));
        expect(response).toMatchObject({ status: 200, framing: "close", ending: "reset" });
      },
    );
  });

  test("a body that ends with the connection and is reset", async () => {
    const wire = await openWire(after(message([ok200, "Connection: close"], "half"), "reset"));
    const response = await wire.exchange(get("/"));
    expect(["fin", "reset"]).toContain(response.ending);
  });

  test("chunks that are garbage", async () => {
    const wire = await openWire(after(`${okChunked()}${chunk("half")}evil\r\n`, "close"));
    const response = await wire.exchange(get("/"));
    expect(["fin", "reset"]).toContain(response.ending);
    expect(response.text).toBe("half");
  });

  test("nothing is added to what was received", async () => {
    const wire = await openWire(after(okChunked("Content-Type: application/json") + chunk('{"half":'), "reset"));
    expect((await wire.exchange(get("/"))).text).toBe('{"half":');
  });

  test("a request that was pipelined behind is not answered on the cut connection", async () => {
    const wire = await openWire(async (peer) => {
      const { path } = await peer.request();
      if (path === "/next") return peer.write(ok("next"));
      await peer.write(message([ok200, "Content-Length: 100"], "half"));
      await peer.reset();
    });
    const client = await wire.client();
    await client.send(get("/") + get("/next"));
    expect((await client.response()).ending).not.toBe("complete");
    expect(client.reader.received.toString("latin1")).not.toContain("next");
  });
});

test("an upstream that fails takes no other exchange with it", async () => {
  const wire = await openWire();
  const [one, two] = [await wire.client(), await wire.client()];
  await one.send(get("/1"));
  const first = await wire.upstream.accept();
  await first.request();
  await first.write(okEvents() + chunk("data: 1\n\n"));
  await two.send(get("/2"));
  const second = await wire.upstream.accept();
  await second.request();
  await second.reset();
  expect((await two.response()).status).toBe(502);
  await first.write(`${chunk("data: 2\n\n")}0\r\n\r\n`);
  expect(await one.response()).toMatchObject({
    text: "data: 1\n\ndata: 2\n\n",
    ending: "complete",
  });
});
