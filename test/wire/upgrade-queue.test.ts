import { describe, expect, onTestFinished, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { chunk, get, handshake, lastChunk, message, ok, okChunked, post, upgradeHeaders } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";
import { recorder, type Recorder } from "./recorder.ts";
import { at, within } from "./waiting.ts";

// Requests that ask for an upgrade, or offer one, behind others on the same connection.

const offer = ["Connection: Upgrade", "Upgrade: h2c"];

async function behindStream(request: string): Promise<RawClient> {
  const wire = await openWire(answering(({ path }) => (path === "/stream" ? okChunked() + chunk("1") : ok(path))));
  const client = await wire.client();
  await client.send(get("/stream"));
  await wire.upstream.accept();
  expect(await client.reader.line()).toBe("HTTP/1.1 200 OK");
  await client.send(request);
  const { text } = await wire.exchange(get("/somebody-else"));
  expect(text).toBe("/somebody-else");
  await at(wire.upstream.peers).write(chunk("2") + lastChunk);
  return client;
}

test.each([
  ["a handshake", handshake],
  ["an offer", get("/", ...offer)],
  ["an offer with a body", post("/", "hello", ...offer)],
  ["a handshake with a wrong key", get("/", ...upgradeHeaders, "Sec-WebSocket-Key: wrong")],
  ["CONNECT", message(["CONNECT a:1 HTTP/1.1", "Host: a:1"])],
])("%s: the answer under way is not touched", async (_what, request) => {
  const client = await behindStream(request);
  while ((await client.reader.line()) !== "");
  expect((await client.reader.take(17)).toString()).toBe("1\r\n1\r\n1\r\n2\r\n0\r\n\r\n");
});

describe.each([
  ["a handshake", handshake],
  ["an offer", get("/", ...offer)],
])("%s behind a big answer", (_what, request) => {
  async function behindBig(): Promise<{ client: RawClient; seen: Recorder }> {
    const seen = recorder();
    const big = ok("a".repeat(16_000_000));
    const wire = await openWire(
      answering(({ path }) => (path === "/big" ? big : ok(path))),
      { plugins: [seen.plugin] },
    );
    const client = await wire.client();
    await client.send(get("/big") + request);
    const response = await client.reader.line();
    expect(response).toBe("HTTP/1.1 200 OK");
    client.pause();
    for (let tick = 1; tick <= 20; tick++) {
      await wire.exchange(get("/tick"));
      await seen.ended(tick);
    }
    return { client, seen };
  }

  test("the answer is delivered whole when the client reads on", async () => {
    const { client } = await behindBig();
    client.resume();
    while ((await client.reader.line()) !== "");
    await within(client.reader.take(16_000_000), "all of it arrives");
  });

  test("the exchange ends when the client leaves instead", async () => {
    const { client, seen } = await behindBig();
    client.reset();
    await within(seen.ended(21), "the exchange ends");
    expect(seen.ends.map((end) => end.kind)).toContain("client-abort");
  });
});

describe.each([
  ["a handshake", handshake],
  ["an offer", get("/", ...offer)],
  ["CONNECT", message(["CONNECT a:1 HTTP/1.1", "Host: a:1"])],
])("%s behind an answer that does not come", (_what, request) => {
  test.each(["halfClose", "reset"] as const)("a client that leaves by %s is noticed at once", async (leave) => {
    const wire = await openWire();
    const client = await wire.client();
    await client.send(get("/slow") + request);
    const peer = await wire.upstream.accept();
    await peer.request();
    await client.send("early");
    await wire.client();
    client[leave]();
    await within(peer.ending, "the upstream's connection closes", 1_000);
  });
});

test("what was sent behind an offer while it waited is served behind it", async () => {
  const wire = await openWire(answering(({ path }) => ok(path)));
  const client = await wire.client();
  await client.send(get("/1") + get("/2", ...offer));
  await client.send(get("/3"));
  for (const path of ["/1", "/2", "/3"]) {
    const response = await client.response();
    expect(response.text).toBe(path);
    if (response.get("connection") === "close") return; // Node from 24.9 on ends it at an offer.
  }
});

test("offers are answered in their turn", async () => {
  const wire = await openWire(answering(({ path }) => ok(path)));
  const client = await wire.client();
  await client.send([get("/1"), get("/2", ...offer), get("/3"), get("/4", ...offer)].join(""));
  for (const path of ["/1", "/2", "/3", "/4"]) {
    const response = await client.response();
    expect(response.text).toBe(path);
    if (response.get("connection") === "close") return expect(path).toBe("/2"); // Node from 24.9 on ends it at an offer.
  }
});

test("fifty offers on one connection leave nothing on it", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const wire = await openWire(answering(({ path }) => ok(path)));
  let client = await wire.client();
  for (let index = 0; index < 50; index++) {
    await client.send(get(`/${index}`, ...offer));
    const response = await client.response();
    expect(response.text).toBe(`/${index}`);
    if (response.get("connection") === "close") client = await wire.client();
  }
  expect(warnings).toEqual([]);
});
