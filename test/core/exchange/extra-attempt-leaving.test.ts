import type { ExtraAttempt } from "plugboard";
import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { answering } from "../../wire/evil-upstream.ts";
import { get, message, ok } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";
import { at, deferred, within } from "../../wire/waiting.ts";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks } from "../quick-plugin.ts";
import { beginExtra, reached } from "./begin-extra.ts";
import { outcomeLog } from "./outcome-log.ts";
import { sidePlugin, told } from "./side-plugin.ts";

const half = message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half");
const pair = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));

describe("a client that leaves ends the extra attempts of its exchange", () => {
  test.each([
    ["while it waits", ""],
    ["while it streams", half],
  ])("%s", async (_when, bytes) => {
    const pieces = deferred();
    const begun = await beginExtra({ onData: () => pieces.resolve() });
    const peer = await reached(begun, bytes);
    if (bytes !== "") await within(pieces.promise, "the answer has begun");
    begun.client.reset();
    await within(peer.ending, "the upstream sees it", 1_000);
    await within(begun.log.ended(1), "the exchange ends");
    expect(await told(begun.attempt.answer)).toBe("client_closed");
    expect(begun.log.told.map(({ hook, outcome }) => [hook, outcome.kind])).toEqual([
      ["attemptEnd", "client-abort"],
      ["end", "client-abort"],
    ]);
    expect(begun.side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("while its request is being prepared: nothing is sent, or counted", async () => {
    const prepared = deferred();
    const slow = hooks({ upstreamRequest: () => prepared.promise });
    const begun = await beginExtra({}, { plugins: [slow] });
    begun.client.reset();
    await within(begun.log.ended(1), "the exchange ends");
    prepared.resolve();
    expect(await told(begun.attempt.answer)).toBe("client_closed");
    expect(begun.log.told.map(({ hook }) => hook)).toEqual(["end"]);
    expect(begun.side.target.live).toMatchObject({ requests: 0, inflight: 0 });
    expect(at(begun.wire.upstreams, 1).peers).toHaveLength(0);
  });

  test("while it connects", async () => {
    const calls: MemCall[] = [];
    const leaving = new AbortController();
    const side = sidePlugin((own) => ({ admit: async (x) => void (await told(own.attempt(x).answer)) }));
    const log = outcomeLog();
    const proxy = await openProxy({
      plugins: [memUpstream((call) => void calls.push(call), pair), side.plugin, log.plugin],
    });
    const answer = proxy.fetch(new Request("http://proxy/", { signal: leaving.signal }));
    await eventually(() => expect(calls).toHaveLength(1));
    leaving.abort();
    await answer.catch(() => {});
    await log.ended(1);
    expect(calls.map(({ aborted }) => aborted?.message)).toEqual(["The client closed the connection."]);
    expect(log.attempts).toMatchObject([{ kind: "client-abort", status: 0, error: { code: "client_closed" } }]);
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("all of them at once, also where one makes another end", async () => {
    const attempts: ExtraAttempt[] = [];
    const calls: MemCall[] = [];
    const leaving = new AbortController();
    const side = sidePlugin((own) => ({
      async admit(x) {
        for (let i = 0; i < 3; i++) attempts.push(own.attempt(x));
        await told(at(attempts).answer);
      },
      attemptEnd() {
        for (const attempt of attempts) attempt.abort();
        return undefined;
      },
    }));
    const log = outcomeLog();
    const proxy = await openProxy({
      plugins: [memUpstream((call) => void calls.push(call), pair), side.plugin, log.plugin],
    });
    const answer = proxy.fetch(new Request("http://proxy/", { signal: leaving.signal }));
    await eventually(() => expect(calls).toHaveLength(3));
    expect(side.target.live.inflight).toBe(3);
    leaving.abort();
    await answer.catch(() => {});
    await log.ended(1);
    expect(log.told.map(({ hook }) => hook)).toEqual(["attemptEnd", "attemptEnd", "attemptEnd", "end"]);
    expect(side.target.live).toMatchObject({ requests: 3, inflight: 0, failures: 0 });
  });
});

describe("an extra attempt that is under way when its exchange ends well", () => {
  test("is ended, through no fault of its target", async () => {
    let attempt: ExtraAttempt | undefined;
    const side = sidePlugin((own) => ({ admit: (x) => void (attempt = own.attempt(x)) }));
    const log = outcomeLog();
    const wire = await openWire([answering(ok("main")), undefined], { plugins: [side.plugin, log.plugin] });
    const { text } = await wire.exchange(get("/"));
    const peer = await within(at(wire.upstreams, 1).accept(), "the extra attempt connects");
    await within(peer.ending, "the upstream sees the end");
    expect(text).toBe("main");
    expect(await told(attempt?.answer as ExtraAttempt["answer"])).toBe("client_closed");
    expect(log.told.map(({ target, outcome }) => [target?.id === side.target.id, outcome.kind])).toEqual([
      [false, "ok"],
      [true, "local"],
      [false, "ok"],
    ]);
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("ends the same way where another upstream broke the exchange off", async () => {
    const side = sidePlugin((own) => ({ admit: (x) => void own.attempt(x) }));
    const log = outcomeLog();
    const breaking = memUpstream(({ target, sink }) => {
      sink.connected();
      if (target.id === "b") return;
      sink.head(200, {});
      sink.data(Buffer.from("half"));
      sink.error(new Error("gone"));
    }, pair);
    const proxy = await openProxy({ plugins: [breaking, side.plugin, log.plugin] });
    const { url } = await proxy.listen();
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
    await log.ended(1);
    expect(log.attempts.map(({ kind }) => kind)).toEqual(["stream-error", "local"]);
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });
});

test("a plugin that ends its extra attempt goes on without it", async () => {
  const begun = await beginExtra();
  const peer = await reached(begun);
  begun.attempt.abort();
  begun.attempt.abort();
  await within(peer.ending, "the upstream sees it");
  expect((await within(begun.client.response(), "the client is answered")).text).toBe("main");
  expect(await told(begun.attempt.answer)).toBe("client_closed");
  await within(begun.log.ended(1), "the exchange ends");
  expect(begun.log.attempts.map(({ kind }) => kind)).toEqual(["local", "ok"]);
  expect(begun.side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
});

test("no extra attempt is begun for an exchange that is over", async () => {
  const codes: string[] = [];
  const said = deferred();
  const side = sidePlugin((own) => ({
    end(x) {
      void told(own.attempt(x).answer).then((code) => {
        codes.push(code);
        said.resolve();
      });
      return undefined;
    },
  }));
  const sent: string[] = [];
  const upstream = memUpstream((call) => {
    sent.push(call.target.id);
    sayOk(call);
  }, pair);
  const proxy = await openProxy({ plugins: [upstream, side.plugin] });
  await (await proxy.fetch(new Request("http://proxy/"))).text();
  await within(said.promise, "it is refused");
  expect([codes, sent]).toEqual([["client_closed"], ["a"]]);
});
