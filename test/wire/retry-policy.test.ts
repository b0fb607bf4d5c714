import { describe, expect, test } from "vitest";
import { definePlugin, type Exchange } from "plugboard";
import type { Script } from "./evil-upstream.ts";
import { failingOnce, requestCounts } from "./failing-once.ts";
import { get, message, ok } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import { counter, deferred, within } from "./waiting.ts";

test("nothing is tried again after the head of the response", async () => {
  const wire = await failingOnce(2, async (peer) => {
    await peer.write(message(["HTTP/1.1 200 OK", "Content-Length: 9"], "half"));
    await peer.reset();
  });
  expect((await wire.exchange(get("/"))).ending).not.toBe("complete");
  expect(requestCounts(wire)).toEqual([0, 1]);
});

const unavailable: Script = (peer) => peer.write(message(["HTTP/1.1 503 Busy", "Content-Length: 4"], "busy"));

describe("a status", () => {
  test("is passed on by default", async () => {
    const wire = await failingOnce(2, unavailable);
    expect(await wire.exchange(get("/"))).toMatchObject({ status: 503, text: "busy" });
    expect(requestCounts(wire)).toEqual([0, 1]);
  });

  test("is tried elsewhere when the config names it", async () => {
    const wire = await failingOnce(2, unavailable, { retry: { on: ["status"], statuses: [503] } });
    expect(await wire.exchange(get("/"))).toMatchObject({ status: 200, text: "GET " });
    expect(requestCounts(wire)).toEqual([1, 1]);
  });

  test("is passed on when there is no other target left", async () => {
    const wire = await failingOnce(1, unavailable, { retry: { on: ["status"], statuses: [503] } });
    expect(await wire.exchange(get("/"))).toMatchObject({ status: 503, text: "busy" });
  });
});

test("a plugin may ask for another target once it saw the head", async () => {
  const picky = definePlugin({
    name: "picky",
    setup: () => ({
      upstreamResponse: (_x, head) => (head.headers["x-bad"] === undefined ? undefined : "retry"),
    }),
  });
  const wire = await failingOnce(2, (peer) => peer.write(ok("bad", "X-Bad: 1")), {
    plugins: [picky()],
  });
  expect(await wire.exchange(get("/"))).toMatchObject({ status: 200, text: "GET " });
  expect(requestCounts(wire)).toEqual([1, 1]);
});

test("each attempt starts from the client's request", async () => {
  const stamp = definePlugin({
    name: "stamp",
    setup: () => ({
      upstreamRequest(x: Exchange) {
        x.upstream.path += `/${x.attempt}`;
        x.upstream.headers["x-attempt"] = `${String(x.upstream.headers["x-attempt"] ?? "")}${x.attempt}`;
      },
    }),
  });
  const wire = await failingOnce(2, (peer) => peer.reset(), { plugins: [stamp()] });
  expect((await wire.exchange(get("/a"))).status).toBe(200);
  const requests = wire.upstreams.flatMap((upstream) => upstream.requests);
  expect(new Set(requests.map((request) => `${request.path} ${request.get("x-attempt")}`))).toEqual(
    new Set(["/a/1 1", "/a/2 2"]),
  );
});

test("an outage does not multiply the load: retries under way are at most a fifth of the exchanges, at least 3", async () => {
  const clients = 20;
  const arrived = counter();
  const release = deferred();
  const script: Script = async (peer) => {
    for (;;) {
      await peer.request();
      arrived.add();
      if (arrived.count <= clients) {
        await arrived.reached(clients);
        return peer.reset();
      }
      await release.promise;
      await peer.write(ok());
    }
  };
  const wire = await openWire([script, script]);
  const answered = counter();
  const answers = Array.from({ length: clients }, async () => {
    const { status } = await wire.exchange(get("/"));
    if (status === 502) answered.add();
    return status;
  });
  await within(answered.reached(clients - 4), "all but the budget's requests are given up");
  release.resolve();
  const statuses = await Promise.all(answers);
  expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(4);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(3);
});
