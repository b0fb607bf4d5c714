import { constants, type ServerHttp2Stream } from "node:http2";
import { describe, expect, test } from "vitest";
import { eventually } from "../e2e/eventually.ts";
import { endStream, type FramePeer, frameType, frameUpstream } from "./http2-frames.ts";
import { http2Upstream, openHttp2 } from "./http2-upstream.ts";
import { get, post } from "./messages.ts";
import { errorCode, openWire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { at, within } from "./waiting.ts";

const answer = (stream: ServerHttp2Stream): void => {
  stream.respond({ ":status": 200 });
  stream.end("ok");
};

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

type Break = (peer: FramePeer, stream: number) => void;

const breaks: readonly (readonly [what: string, how: Break])[] = [
  ["a reset without an error", (peer, stream) => peer.reset(stream, NGHTTP2_NO_ERROR)],
  ["a reset that cancels", (peer, stream) => peer.reset(stream, NGHTTP2_CANCEL)],
  ["a reset with an error", (peer, stream) => peer.reset(stream, NGHTTP2_INTERNAL_ERROR)],
  ["a GOAWAY with an error", (peer, stream) => peer.goaway(stream, NGHTTP2_INTERNAL_ERROR)],
  ["a frame that is none", (peer, stream) => peer.send(frameType.ping, stream, Buffer.alloc(8))],
  ["the end of the connection", (peer) => peer.socket.end()],
  [
    "a GOAWAY and the end of the connection",
    (peer, stream) => {
      peer.goaway(stream, NGHTTP2_NO_ERROR);
      peer.socket.end();
    },
  ],
  ["the loss of the connection", (peer) => peer.socket.destroy()],
];

const refuse: Break = (peer, stream) => peer.reset(stream, NGHTTP2_REFUSED_STREAM);

describe("a body that is cut by", () => {
  test.each([...breaks, ["a reset that refuses", refuse] as const])("%s never ends cleanly", async (_what, how) => {
    const told = recorder();
    let begun = (): void => {};
    const { spec } = await frameUpstream((peer, stream) => {
      peer.answer(stream, 200, "some");
      begun = () => how(peer, stream);
    });
    const wire = await openWire([], { targets: [spec], plugins: [told.plugin] });
    const client = await wire.client();
    await client.send(get("/"));
    const response = await client.head();
    await response.next();
    begun();
    expect((await within(response.whole(), "the response ends")).ending).not.toBe("complete");
    await told.ended(1);
    const { kind, error } = at(told.attempts).outcome;
    expect([kind, error?.code]).toEqual(["stream-error", "upstream_reset"]);
  });

  test("a reset that comes with all of it but its end never ends cleanly", async () => {
    const { spec } = await frameUpstream((peer, stream) => {
      peer.answer(stream, 200, "some");
      peer.reset(stream, NGHTTP2_NO_ERROR);
    });
    const wire = await openWire([], { targets: [spec] });
    const client = await wire.client();
    await client.send(get("/"));
    const response = await client.response().catch(() => undefined);
    // Node has thrown the head away where the reset came with it.
    if (response?.status !== 502) expect(response?.ending).not.toBe("complete");
  });

  test("nothing is whole, though the stream is reset right behind its end", async () => {
    const { spec } = await frameUpstream((peer, stream) => {
      peer.answer(stream, 200, "some");
      peer.data(stream, "more", endStream);
      peer.reset(stream, NGHTTP2_NO_ERROR);
    });
    const wire = await openWire([], { targets: [spec] });
    const response = await wire.exchange(get("/"));
    expect([response.ending, response.text]).toEqual(["complete", "somemore"]);
  });

  test("no more than its stream leaves the others of the connection alone", async () => {
    const streams: number[] = [];
    const upstream = await frameUpstream((peer, stream) => {
      streams.push(stream);
      peer.answer(stream, 200, "some");
    });
    const wire = await openWire([], { targets: [upstream.spec] });
    const [one, other] = [await wire.client(), await wire.client()];
    await one.send(get("/1"));
    const cut = await one.head();
    await other.send(get("/2"));
    const whole = await other.head();
    const peer = at(upstream.connections);
    peer.reset(at(streams), NGHTTP2_INTERNAL_ERROR);
    expect((await cut.whole()).ending).not.toBe("complete");
    peer.data(at(streams, 1), "more", endStream);
    const rest = await whole.whole();
    expect([rest.ending, rest.text]).toEqual(["complete", "somemore"]);
    expect(upstream.connections).toHaveLength(1);
  });
});

test("a body whose last bytes are not read yet is whole when the upstream says farewell behind it", async () => {
  const size = 1_000_000;
  const { wire } = await openHttp2((stream) => {
    stream.respond({ ":status": 200 });
    stream.end(Buffer.alloc(size));
    stream.once("close", () => stream.session?.close());
  });
  const response = await wire.exchange(get("/"));
  expect([response.ending, response.body.length]).toEqual(["complete", size]);
});

describe("before the answer", () => {
  test.each(breaks)("%s is a fault of the upstream, and a GET goes to another target", async (_what, how) => {
    const bad = await frameUpstream(how);
    const good = await http2Upstream(answer);
    const told = recorder();
    const wire = await openWire([], { targets: [bad.spec, good.spec], plugins: [told.plugin] });
    expect((await wire.exchange(get("/"))).text).toBe("ok");
    await told.ended(1);
    expect(told.attempts.map(({ outcome }) => outcome.kind)).toEqual(["reset", "ok"]);
    expect(at(told.attempts).outcome.error?.code).toBe("upstream_reset");
  });

  test("a request that was refused is sent once more, a POST too", async () => {
    let refused = 0;
    const told = recorder();
    const upstream = await frameUpstream((peer, stream) => {
      if (refused++ % 2 === 0) return peer.reset(stream, NGHTTP2_REFUSED_STREAM);
      peer.answer(stream, 200);
      peer.data(stream, "ok", endStream);
    });
    const wire = await openWire([], { targets: [upstream.spec], plugins: [told.plugin] });
    expect((await wire.exchange(get("/"))).text).toBe("ok");
    await told.ended(1);
    expect(told.attempts).toHaveLength(1);
  });

  test("a request that crosses the upstream's farewell is sent over a new connection", async () => {
    const upstream = await frameUpstream((peer, stream) => {
      if (upstream.connections.length === 1) return peer.goaway(0, NGHTTP2_NO_ERROR);
      peer.answer(stream, 200);
      peer.data(stream, "ok", endStream);
    });
    const wire = await openWire([], { targets: [upstream.spec] });
    expect((await wire.exchange(get("/"))).text).toBe("ok");
    expect(upstream.connections).toHaveLength(2);
  });

  test("a request that is refused again is a fault that says so, and goes to another target", async () => {
    let asked = 0;
    const bad = await frameUpstream((peer, stream) => {
      asked += 1;
      peer.reset(stream, NGHTTP2_REFUSED_STREAM);
    });
    const good = await http2Upstream(answer);
    const told = recorder();
    const wire = await openWire([], { targets: [bad.spec, good.spec], plugins: [told.plugin] });
    expect((await wire.exchange(get("/"))).text).toBe("ok");
    await told.ended(1);
    const { error } = at(told.attempts).outcome;
    expect([error?.code, error?.phase, error?.retryable]).toEqual(["upstream_reset", "connect", true]);
    expect(asked).toBe(2);
  });

  test("a target that is not there is a fault of the connection", async () => {
    const { spec, server } = await http2Upstream(answer);
    await new Promise((resolve) => server.close(resolve));
    const wire = await openWire([], { targets: [spec] });
    const response = await wire.exchange(post("/", "x"));
    expect([response.status, errorCode(response)]).toEqual([502, "connect_failed"]);
  });

  test("a peer that never says what it allows is held to the deadline of the connection", async () => {
    const { spec } = await frameUpstream(
      () => {},
      ({ socket }) => void socket.removeAllListeners("data").resume(),
    );
    const wire = await openWire([], { targets: [{ ...spec, timeouts: { connect: 100 } }] });
    const response = await wire.exchange(get("/"));
    expect([response.status, errorCode(response)]).toEqual([504, "connect_timeout"]);
  });
});

test("a GOAWAY without an error lets what is under way end, and what comes next takes a new connection", async () => {
  const streams: ServerHttp2Stream[] = [];
  const { wire, upstream } = await openHttp2((stream, head) =>
    head[":path"] === "/first" ? void streams.push(stream) : answer(stream),
  );
  const client = await wire.client();
  await client.send(get("/first"));
  await within(upstream.seen.reached(1), "the request arrives");
  at(streams).respond({ ":status": 200 });
  at(streams).write("some");
  const response = await client.head();
  const session = at(upstream.sessions);
  session.goaway(NGHTTP2_NO_ERROR);
  await new Promise((resolve) => session.ping(resolve));
  expect((await wire.exchange(get("/next"))).text).toBe("ok");
  expect(upstream.sessions).toHaveLength(2);
  at(streams).end("more");
  const rest = await response.whole();
  expect([rest.ending, rest.text]).toEqual(["complete", "somemore"]);
  await eventually(() => expect(upstream.open.size).toBe(1));
});
