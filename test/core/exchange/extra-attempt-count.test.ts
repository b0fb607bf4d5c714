import type { Exchange, Target } from "plugboard";
import { describe, expect, test } from "vitest";
import { answering, type Script } from "../../wire/evil-upstream.ts";
import { message, ok, switching } from "../../wire/messages.ts";
import { at } from "../../wire/waiting.ts";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { askExtra, type Asking, breaking, stopping } from "./ask-extra.ts";
import { sidePlugin, told } from "./side-plugin.ts";

const half = message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half");

describe("an extra attempt is counted and told as any other", () => {
  test.each<[string, Script | undefined, Asking, string, object]>([
    ["ok", answering(ok("abc")), {}, "200 abc", { kind: "ok", status: 200, bytesIn: 0, bytesOut: 3, error: undefined }],
    [
      "status",
      answering(message(["HTTP/1.1 500 No", "Content-Length: 0"])),
      {},
      "500 ",
      { kind: "status", status: 500 },
    ],
    [
      "ok, for a 404",
      answering(message(["HTTP/1.1 404 No", "Content-Length: 0"])),
      {},
      "404 ",
      { kind: "ok", status: 404 },
    ],
    ["connect", undefined, { before: closeExtra }, "connect_failed", { kind: "connect", status: 0, ttfb: 0 }],
    ["reset", breaking(""), {}, "upstream_reset", { kind: "reset", status: 0 }],
    ["reset, by what is no HTTP", answering("garbage\r\n\r\n"), {}, "upstream_protocol", { kind: "reset", status: 0 }],
    ["reset, by another protocol", answering(switching()), {}, "upstream_protocol", { kind: "reset", status: 0 }],
    [
      "stream-error, where only the end could tell",
      breaking(message(["HTTP/1.1 200 OK"], "half")),
      {},
      "upstream_reset",
      { kind: "stream-error", status: 200 },
    ],
    ["stream-error", breaking(half), {}, "upstream_reset", { kind: "stream-error", status: 200, bytesOut: 4 }],
    ["timeout", stopping(""), { timeouts: { headers: 60 } }, "upstream_timeout", { kind: "timeout", status: 0 }],
    ["stalled", stopping(half), { timeouts: { idle: 60 } }, "stream_idle", { kind: "stalled", status: 200 }],
    ["plugin", answering(ok()), { extra: { onData: boom } }, "plugin_error", { kind: "plugin", status: 200 }],
  ])("%s", async (_what, script, asking, said, outcome) => {
    const asked = await askExtra(script, asking);
    const { side, log, response } = asked;
    expect(asked.said).toBe(said);
    expect(log.told.map(({ hook, target }) => [hook, target])).toEqual([
      ["attemptEnd", side.target],
      ["attemptEnd", side.mains[0]],
      ["end", undefined],
    ]);
    expect(log.attempts[0]).toMatchObject(outcome);
    const { error } = log.attempts[0] ?? {};
    const failed = error?.source === "upstream" ? 1 : 0;
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: failed });
    expect(side.target.live.lastFailure > 0).toBe(failed === 1);
    // Nothing of it is the exchange's.
    expect([response.status, response.text]).toEqual([200, "main"]);
    expect(log.ends).toMatchObject([{ kind: "ok", status: 200, bytesOut: 4, error: undefined }]);
    expect(at(side.mains).live).toMatchObject({ requests: 1, inflight: 0, failures: 0, lastFailure: 0 });
  });

  test("while it is under way, and with the time to its head", async () => {
    const seen: unknown[] = [];
    const side = sidePlugin((own) => ({
      async admit(x) {
        const { answer } = own.attempt(x);
        seen.push(own.target.live.inflight, at(own.mains).live.inflight);
        await answer;
        seen.push(own.target.live.inflight);
      },
    }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));
    const proxy = await openProxy({
      plugins: [memUpstream((call) => setImmediate(sayOk, call), targets), side.plugin],
    });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(seen).toEqual([1, 0, 0]);
    expect(side.target.live.ttfb).toBeGreaterThan(0);
  });

  test("and is refused by a target that has no room, unless it is detached", async () => {
    const heard: string[] = [];
    const side = sidePlugin((own) => ({
      async admit(x) {
        const first = own.attempt(x);
        heard.push(await told(own.attempt(x).answer), await told(own.attempt(x, { detached: 1_000 }).answer));
        heard.push(await told(first.answer), await told(own.attempt(x).answer));
      },
    }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}`, maxConcurrency: 1 }));
    const proxy = await openProxy({
      plugins: [memUpstream((call) => setImmediate(sayOk, call), targets), side.plugin],
    });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(heard).toEqual(["overloaded", "200 b", "200 b", "200 b"]);
  });

  test("to the selector it is given, once each", async () => {
    const calls: string[] = [];
    const selector = {
      pick: ([first]: readonly Target[]) => first,
      attemptStart: ({ weight }: Target, { attempt }: Exchange) => void calls.push(`start ${weight} ${attempt}`),
      attemptEnd: ({ weight }: Target, { kind }: { kind: string }) => void calls.push(`end ${weight} ${kind}`),
    };
    await askExtra(breaking(""), { extra: { selector } });
    expect(calls).toEqual(["start 1 0", "end 1 reset"]);
  });

  test.each([
    ["attemptStart", "plugin_error"],
    ["attemptEnd", "200 ok"],
  ])("a selector that throws in %s ends it, or is logged", async (method, said) => {
    const selector = { pick: () => undefined, [method]: boom };
    const { said: heard, side } = await askExtra(answering(ok()), { extra: { selector } });
    expect(heard).toBe(said);
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("also where the transport throws", async () => {
    const side = sidePlugin((own) => ({
      admit: async (x) => ({ status: 200, body: await told(own.attempt(x).answer) }),
    }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));
    const proxy = await openProxy({ plugins: [memUpstream(boom, targets), side.plugin] });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("internal_error");
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("and its call is ended, also where its fault shows while it is being sent", async () => {
    const calls: MemCall[] = [];
    const side = sidePlugin((own) => ({
      admit: async (x) => ({ status: 200, body: await told(own.attempt(x, { limit: 0, onData: boom }).answer) }),
    }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));
    const upstream = memUpstream((call) => {
      calls.push(call);
      sayOk(call);
    }, targets);
    const proxy = await openProxy({ plugins: [upstream, side.plugin] });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("plugin_error");
    expect(calls.map(({ aborted }) => aborted)).toMatchObject([{ code: "plugin_error" }]);
  });

  test("once, whatever a transport goes on to say", async () => {
    const side = sidePlugin((own) => ({
      admit: async (x) => ({ status: 200, body: await told(own.attempt(x).answer) }),
    }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));
    const talkative = memUpstream((call) => {
      sayOk(call);
      call.sink.error(new Error("gone"));
      sayOk(call);
    }, targets);
    const proxy = await openProxy({ plugins: [talkative, side.plugin] });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("200 b");
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("never in the place of the route's attempts: it is tried once", async () => {
    const { upstream, side } = await askExtra(breaking(""), { retry: { attempts: 5, on: ["reset"] } });
    expect(upstream.requests).toHaveLength(1);
    expect(side.target.live.requests).toBe(1);
  });
});

describe("an extra attempt has the deadlines", () => {
  test("of its target, where that has some", async () => {
    const side = sidePlugin((own) => ({
      admit: async (x) => ({ status: 200, body: await told(own.attempt(x).answer) }),
    }));
    const silent = memUpstream(() => {}, [
      { id: "a", url: "mem://a" },
      { id: "b", url: "mem://b", timeouts: { connect: 50 } },
    ]);
    const proxy = await openProxy({ plugins: [silent, side.plugin], timeouts: { connect: 0 } });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("connect_timeout");
    expect(side.target.live).toMatchObject({ inflight: 0, failures: 1 });
  });

  test("of every route, before there is one", async () => {
    const side = sidePlugin((own) => ({
      request: async (x) => ({ status: 200, body: await told(own.attempt(x).answer) }),
    }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));
    const proxy = await openProxy({
      plugins: [memUpstream(() => {}, targets), side.plugin],
      timeouts: { connect: 50 },
    });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("connect_timeout");
  });

  test("of the exchange, which ends with it", async () => {
    const { said, response, log } = await askExtra(stopping(half), { timeouts: { total: 80 } });
    expect([said, response.status]).toEqual(["total_timeout", 504]);
    expect(log.attempts).toMatchObject([{ kind: "timeout", status: 200, error: { code: "total_timeout" } }]);
  });
});

test("an extra attempt that fails and that nobody waits for harms nothing", async () => {
  const side = sidePlugin((own) => ({ admit: (x) => void own.attempt(x) }));
  const refusing = memUpstream(
    (call) => (call.target.id === "b" ? call.sink.error(new Error("no")) : sayOk(call)),
    ["a", "b"].map((id) => ({ id, url: `mem://${id}` })),
  );
  const proxy = await openProxy({ plugins: [refusing, side.plugin] });
  expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("a");
  await new Promise((resolve) => setImmediate(resolve)); // An unhandled rejection would end the test run.
  expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 1 });
});

function boom(): never {
  throw new Error("boom");
}

async function closeExtra({ upstreams }: { upstreams: readonly { close(): Promise<void> }[] }): Promise<void> {
  await at(upstreams, 1).close();
}
