import { describe, expect, test } from "vitest";
import { definePlugin, type Plugin } from "plugboard";
import { answering, type Script } from "./evil-upstream.ts";
import { message, ok, okChunked, chunk, post, postHead } from "./messages.ts";
import { errorCode, openWire, type Wire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { within } from "./waiting.ts";

/** Has every body taken into memory. */
const reader = definePlugin({ name: "reader", setup: (proxy) => proxy.needs({ body: 1_000 }) });

const limits = { bodyIdle: 100 };

interface Way {
  readonly what: string;
  readonly plugins?: readonly Plugin[];
  readonly sent: string;
}

const ways: readonly Way[] = [
  { what: "of which nothing comes", sent: postHead("/", 10) },
  { what: "that stops in the middle", sent: postHead("/", 10) + "hello" },
  { what: "that a plugin wants whole", plugins: [reader()], sent: postHead("/", 10) + "hello" },
  {
    what: "in chunks",
    sent: message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], chunk("hello")),
  },
  {
    what: "that was asked for by 100 Continue",
    sent: postHead("/", 10, "Expect: 100-continue"),
  },
];

describe("a request body that is waited for in vain", () => {
  test.each(ways)("$what: 408, closed, and no fault of the target", async ({ plugins = [], sent }) => {
    const seen = recorder();
    const wire = await openWire(undefined, { limits, plugins: [...plugins, seen.plugin] });
    const client = await wire.client();
    await client.send(sent);
    const response = await within(client.response(), "the answer");
    expect(response.status).toBe(408);
    expect(errorCode(response)).toBe("request_timeout");
    expect(response.get("connection")).toBe("close");
    await within(client.ending, "the connection is closed");
    await within(seen.ended(1), "the exchange ends");
    expect(seen.ends).toMatchObject([{ error: { code: "request_timeout" } }]);
    expect(wire.proxy.pools()[0]?.snapshot.all[0]?.live).toMatchObject({ inflight: 0, failures: 0 });
  });

  test("ends at the upstream as an aborted request, never as a whole one", async () => {
    const wire = await openWire(undefined, { limits });
    const client = await wire.client();
    await client.send(message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], chunk("hello")));
    const peer = await within(wire.upstream.accept(), "the request arrives");
    const request = await peer.head();
    expect((await within(request.whole(), "the request ends")).ending).not.toBe("complete");
  });
});

/** Sends pieces of a body, each when the limit is half over, and then says how the exchange went. */
async function drip(wire: Wire, pieces: number): Promise<number> {
  const client = await wire.client();
  await client.send(postHead("/", pieces));
  for (let piece = 0; piece < pieces; piece++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    await client.send("x");
  }
  return (await client.response()).status;
}

describe("is not", () => {
  test("one that comes slowly", async () => {
    const wire = await openWire(answering(ok()), { limits: { bodyIdle: 300 } });
    expect(await drip(wire, 8)).toBe(200);
  });

  test("one that the upstream does not take", async () => {
    const slow: Script = async (peer) => {
      peer.stopReading();
      await new Promise((resolve) => setTimeout(resolve, 400));
      peer.startReading();
      await peer.request();
      await peer.write(ok());
    };
    const wire = await openWire(slow, { limits });
    expect((await wire.exchange(post("/", "x".repeat(8_000_000)))).status).toBe(200);
  });

  test("one that was answered already", async () => {
    const early: Script = async (peer) => {
      await peer.head();
      await peer.write(okChunked() + chunk("early"));
      await new Promise((resolve) => setTimeout(resolve, 300));
      await peer.write("0\r\n\r\n");
    };
    const wire = await openWire(early, { limits });
    const client = await wire.client();
    await client.send(postHead("/", 10) + "hello");
    expect(await client.response()).toMatchObject({ status: 200, text: "early", ending: "complete" });
  });

  test("limited where the limit is 0", async () => {
    const wire = await openWire(answering(ok()), { limits: { bodyIdle: 0 } });
    expect(await drip(wire, 3)).toBe(200);
  });
});
