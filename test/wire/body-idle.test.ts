import { describe, expect, test } from "vitest";
import { definePlugin, type Plugin } from "plugboard";
import { checkDeadlines } from "../../core/exchange/deadlines.ts";
import type { ActiveExchange } from "../../core/exchange/exchange.ts";
import { eventually } from "../e2e/eventually.ts";
import { answering, type Script } from "./evil-upstream.ts";
import { firstExchange, hour } from "./first-exchange.ts";
import { chunk, lastChunk, message, ok, okChunked, post, postHead } from "./messages.ts";
import { errorCode, openWire, type Wire } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";
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

interface Begun {
  readonly wire: Wire;
  readonly client: RawClient;
  readonly x: ActiveExchange;
}

interface BeginOptions {
  readonly script?: Script;
  readonly plugins?: readonly Plugin[];
  readonly bodyIdle?: number;
}

/** Sends this to a proxy that waits an hour for a body, and for everything else without an end. */
async function begin(bytes: string, { script, plugins = [], bodyIdle = hour }: BeginOptions = {}): Promise<Begun> {
  const first = firstExchange();
  const timeouts = { connect: 0, headers: 0, idle: 0 };
  const wire = await openWire(script, { limits: { bodyIdle }, timeouts, plugins: [...plugins, first.plugin] });
  const client = await wire.client();
  void client.send(bytes);
  return { wire, client, x: await first.begun() };
}

/** Looks at the exchange as the proxy does when nothing has come for that hour. */
function lookAnHourLater(x: ActiveExchange): void {
  checkDeadlines(x, performance.now() + hour);
}

const isWaitedFor = (x: ActiveExchange): Promise<void> => eventually(() => expect(x.bodyAt).toBeGreaterThan(0));

describe("after the time is over", () => {
  test("a body that is waited for is given up", async () => {
    const { client, x } = await begin(postHead("/", 10) + "hello");
    await isWaitedFor(x);
    lookAnHourLater(x);
    expect((await within(client.response(), "the answer")).status).toBe(408);
  });

  test("a body that the upstream does not take is not", async () => {
    const { wire, client, x } = await begin(post("/", "x".repeat(32_000_000)), {
      script: (peer) => peer.stopReading(),
    });
    await eventually(() => {
      expect(x.bytesIn).toBeGreaterThan(0);
      expect(x.bodyAt).toBe(0);
    });
    expect(x.req.complete).toBe(false);
    lookAnHourLater(x);
    const peer = await wire.upstream.accept();
    peer.startReading();
    expect((await peer.request()).ending).toBe("complete");
    await peer.write(ok());
    expect((await client.response()).status).toBe(200);
  });

  test("a body whose answer is on its way is not", async () => {
    const { wire, client, x } = await begin(postHead("/", 10) + "hello");
    const peer = await wire.upstream.accept();
    await peer.head();
    await peer.write(okChunked() + chunk("early"));
    const answer = await client.head();
    await isWaitedFor(x);
    lookAnHourLater(x);
    await peer.write(lastChunk);
    expect(await answer.whole()).toMatchObject({ status: 200, text: "early", ending: "complete" });
  });

  test("a body is not where the limit is 0", async () => {
    const { client, x } = await begin(postHead("/", 10) + "hello", { script: answering(ok()), bodyIdle: 0 });
    await isWaitedFor(x);
    lookAnHourLater(x);
    await client.send("world");
    expect((await client.response()).status).toBe(200);
  });
});

describe("each piece begins the time anew", () => {
  /** Sends a piece of the body of somebody who was waited for from the beginning of the process. */
  async function sendLate({ client, x }: Begun): Promise<void> {
    x.bodyAt = 1;
    await client.send("x");
    await eventually(() => expect(x.bodyAt).toBeGreaterThan(1));
  }

  test("of a body on its way to the upstream", async () => {
    const begun = await begin(postHead("/", 4) + "x");
    const { wire, client } = begun;
    const peer = await wire.upstream.accept();
    const request = await peer.head();
    for (let piece = 1; piece < 3; piece++) {
      await request.next();
      await sendLate(begun);
    }
    await client.send("x");
    expect((await request.whole()).ending).toBe("complete");
    await peer.write(ok());
    expect((await client.response()).status).toBe(200);
  });

  test("of a body that a plugin wants whole", async () => {
    const begun = await begin(postHead("/", 4) + "x", { script: answering(ok()), plugins: [reader()] });
    const { client, x } = begun;
    await eventually(() => expect(x.bytesIn).toBe(1));
    for (let piece = 1; piece < 3; piece++) await sendLate(begun);
    await client.send("x");
    expect((await client.response()).status).toBe(200);
  });
});
