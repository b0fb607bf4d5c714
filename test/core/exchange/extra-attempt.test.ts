import { type Exchange, type Plugin, type Setup, type Target } from "plugboard";
import { describe, expect, test } from "vitest";
import { answering, type Script } from "../../wire/evil-upstream.ts";
import { chunk, lastChunk, message, ok, okChunked, post, postChunked, switching } from "../../wire/messages.ts";
import { at, deferred, within } from "../../wire/waiting.ts";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { askExtra, type Asking, breaking, stopping } from "./ask-extra.ts";
import { sidePlugin, told } from "./side-plugin.ts";

const half = message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half");
const json = "Content-Type: application/json";
const reading = quickPlugin("reading", (proxy) => proxy.needs({ body: "json" }));
const echo = answering(({ method, path, text, get: header }) =>
  ok([method, path, text, header("x-key"), header("content-length")].join(" ")),
);

describe("the request of an extra attempt", () => {
  /** As a provider writes a key and an alias a body for the target at hand. */
  const writing = hooks({
    upstreamRequest({ upstream, target, attempt }) {
      upstream.headers["x-key"] = `key-${attempt}`;
      if (upstream.body instanceof Uint8Array)
        upstream.body = Buffer.from(`${Buffer.from(upstream.body)}!${target?.weight}`);
    },
  });

  test("is prepared by the hooks for its target, and its caller has the last word", async () => {
    const seen: string[] = [];
    const { said, response } = await askExtra(echo, {
      request: post("/v1/x?y", "body", json),
      main: echo,
      plugins: [reading, writing],
      extra: {
        edit(upstream) {
          seen.push(String(upstream.body), String(upstream.headers["x-key"]));
          upstream.body = Buffer.from("edited");
          upstream.headers["content-length"] = "99";
        },
      },
    });
    expect(seen).toEqual(["body!1", "key-0"]);
    expect(said).toBe("200 POST /v1/x?y edited key-0 6");
    expect(response.text).toBe("POST /v1/x?y body!1 key-1 6");
  });

  test("bears the headers of any attempt, and the same request id", async () => {
    const request = post("/", "{}", json, "X-Request-Id: 7", "X-Own: 1");
    const { wire } = await askExtra(answering(ok()), { request, plugins: [reading] });
    const [main, extra] = wire.upstreams.map(({ requests }) =>
      at(requests).headers.filter(([name]) => name !== "host"),
    );
    expect(extra).toEqual(main);
    expect(Object.fromEntries(extra ?? [])).toMatchObject({ "x-own": "1", "x-forwarded-for": "127.0.0.1" });
  });

  test("has a target of its own, while the exchange is where it was", async () => {
    const seen: unknown[] = [];
    const look = (x: Exchange): void =>
      void seen.push([x.target?.labels["is"], x.attempt, x.tried.length, x.upstream.path, x.upstream.method]);
    const side = sidePlugin((own) => ({
      admit: async (x) => void (await own.attempt(x, { edit: (upstream) => void (upstream.path = "/e") }).answer),
      async upstreamRequest(x) {
        if (x.target === own.target) return void look(x);
        await own.attempt(x, { edit: (upstream) => void (upstream.method = "PUT") }).answer;
        look(x);
      },
    }));
    const targets = ["main", "side"].map((is) => ({ id: is, url: `mem://${is}`, labels: { is } }));
    const sent: string[] = [];
    const upstream = memUpstream((call) => {
      sent.push(`${call.target.id} ${call.x.target?.id} ${call.x.upstream.method} ${call.x.upstream.path}`);
      sayOk(call);
    }, targets);
    const proxy = await openProxy({ plugins: [upstream, side.plugin] });
    expect(await (await proxy.fetch(new Request("http://proxy/m"))).text()).toBe("main");
    expect(seen).toEqual([
      ["side", 0, 0, "/m", "GET"],
      ["side", 1, 0, "/m", "GET"],
      ["main", 1, 0, "/m", "GET"],
    ]);
    expect(sent).toEqual(["side side GET /e", "side side PUT /m", "main main GET /m"]);
  });

  test("shares the slots of the exchange, and keeps to itself what slow hooks write for others", async () => {
    const go = deferred();
    const order: string[] = [];
    const slow = quickPlugin("slow", (proxy) => {
      const slot = proxy.slot<number>("count");
      return {
        async upstreamRequest(x) {
          slot.set(x, (slot.get(x) ?? 0) + 1);
          const before = x.target?.id;
          if (before === "side") await go.promise;
          else go.resolve();
          await Promise.resolve();
          x.upstream.headers["x-for"] = before;
          order.push(`${before} ${x.target?.id} ${slot.get(x)}`);
        },
      };
    });
    const side = sidePlugin((own) => ({
      upstreamRequest(x) {
        if (x.target !== own.target) void own.attempt(x);
      },
    }));
    const sent: unknown[] = [];
    const upstream = memUpstream(
      (call) => {
        sent.push([call.target.id, call.x.upstream.headers["x-for"]]);
        sayOk(call);
      },
      ["main", "side"].map((id) => ({ id, url: `mem://${id}` })),
    );
    const proxy = await openProxy({ plugins: [upstream, side.plugin, slow] });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(order.toSorted()).toEqual(["main main 2", "side side 2"]);
    expect(sent).toEqual(
      expect.arrayContaining([
        ["main", "main"],
        ["side", "side"],
      ]),
    );
  });

  test("cannot be a stream: that is a fault of the plugin", async () => {
    const chunked = postChunked("/", ["ab", "c"]);
    const { said, response, upstream } = await askExtra(echo, { request: chunked, main: echo });
    expect([said, response.status]).toEqual(["plugin_error", 200]);
    expect(upstream.requests).toHaveLength(0);

    const whole: Asking["extra"] = { edit: (request) => void (request.body = Buffer.from("whole")) };
    const edited = await askExtra(echo, { request: chunked, main: echo, extra: whole });
    expect(edited.said).toMatch(/^200 POST \/ whole/);
    expect(edited.response.text).toMatch(/^POST \/ abc/);
  });

  test("is not sent when a hook or the caller throws, who is blamed", async () => {
    const failing = hooks({ upstreamRequest: ({ attempt }) => (attempt === 0 ? boom() : undefined) }, "failing");
    const byHook = await askExtra(echo, { plugins: [failing] });
    const byEdit = await askExtra(echo, { extra: { edit: boom } });
    for (const { said, response, upstream, side } of [byHook, byEdit]) {
      expect([said, response.status]).toEqual(["plugin_error", 200]);
      expect(upstream.requests).toHaveLength(0);
      expect(side.target.live).toMatchObject({ requests: 0, inflight: 0 });
    }
  });

  test("goes to a target of the pool and nowhere else", async () => {
    const elsewhere = hooksWith((proxy, x) => void proxy.attempt(x, { id: "made up" } as unknown as Target));
    const proxy = await openProxy({ plugins: [memUpstream(), elsewhere] });
    expect((await proxy.fetch(new Request("http://proxy/"))).headers.get("x-proxy-error")).toBe("plugin_error");
    expect(proxy.lines.join()).toContain("an extra attempt needs a target of a pool");
  });

  test("is not sent for a request that is only explained", async () => {
    const sent: string[] = [];
    const side = sidePlugin((own) => ({ admit: async (x) => void (await told(own.attempt(x).answer)) }));
    const targets = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));
    const proxy = await openProxy({
      plugins: [memUpstream(({ target }) => void sent.push(target.id), targets), side.plugin],
    });
    expect((await proxy.explain()).attempts).toEqual(["a"]);
    expect(sent).toEqual([]);
    expect(proxy.pools()[0]?.snapshot.all.map(({ live }) => live.requests)).toEqual([0, 0]);
  });
});

describe("the answer of an extra attempt", () => {
  test.each<[string, Script, string]>([
    ["a body with a length", answering(ok("hello")), "200 hello"],
    ["a chunked body", answering(okChunked() + chunk("he") + chunk("llo") + lastChunk), "200 hello"],
    ["any status", answering(message(["HTTP/1.1 503 No", "Content-Length: 4"], "busy")), "503 busy"],
    ["no body", answering(message(["HTTP/1.1 204 No Content"])), "204 "],
    ["an empty body", answering(ok("")), "200 "],
    [
      "informational responses first",
      answering(message(["HTTP/1.1 103 Early Hints", "Link: x"]) + ok("late")),
      "200 late",
    ],
    ["a body until the close", closing(message(["HTTP/1.1 200 OK"], "all")), "200 all"],
  ])("with %s", async (_what, script, said) => {
    expect((await askExtra(script)).said).toBe(said);
  });

  test("to a HEAD has no body, whatever its length says", async () => {
    const head = answering(message(["HTTP/1.1 200 OK", "Content-Length: 5"]));
    const { said } = await askExtra(head, { request: message(["HEAD / HTTP/1.1", "Host: a"]), to: "HEAD", main: head });
    expect(said).toBe("200 ");
  });

  test("has its headers, without those of the connection", async () => {
    let headers: unknown;
    const side = sidePlugin((own) => ({ admit: async (x) => void ({ headers } = await own.attempt(x).answer) }));
    const upstream = memUpstream(
      ({ sink }) => {
        sink.connected();
        sink.head(200, {
          "x-a": "1",
          "set-cookie": ["a", "b"],
          connection: "x-b",
          "x-b": "2",
          "keep-alive": "timeout=5",
        });
        sink.end();
      },
      ["a", "b"].map((id) => ({ id, url: `mem://${id}` })),
    );
    const proxy = await openProxy({ plugins: [upstream, side.plugin] });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(headers).toEqual({ "x-a": "1", "set-cookie": ["a", "b"], via: "1.1 plugboard" });
  });

  test("is told piece by piece", async () => {
    const pieces: string[] = [];
    const onData = (piece: Uint8Array): void => void pieces.push(Buffer.from(piece).toString());
    const { said } = await askExtra(answering(okChunked() + chunk("one") + chunk("two") + lastChunk), {
      extra: { onData },
    });
    expect([said, pieces.join("")]).toEqual(["200 onetwo", "onetwo"]);
  });

  test.each([
    ["says so at once", ok("12345")],
    ["grows", okChunked() + chunk("12345") + lastChunk],
  ])("over the limit that %s is a fault", async (_what, bytes) => {
    const { said, log, upstream } = await askExtra(answering(bytes), { extra: { limit: 4 } });
    expect(said).toBe("upstream_protocol");
    expect(log.attempts).toMatchObject([{ kind: "stream-error", status: 200 }, { kind: "ok" }]);
    await within(at(upstream.peers).ending, "the rest is not read");
    expect((await askExtra(answering(bytes), { extra: { limit: 5 } })).said).toBe("200 12345");
  });

  test("of any length is read and dropped with a limit of 0, and its connection used again", async () => {
    const long = "x".repeat(3_000_000);
    let seen = 0;
    const { said, wire, upstream, log } = await askExtra(answering(ok(long)), {
      extra: { limit: 0, onData: ({ length }) => void (seen += length) },
    });
    expect([said, seen, log.attempts[0]?.bytesOut]).toEqual(["200 ", long.length, long.length]);
    await wire.exchange(post("/", "{}"));
    expect(upstream.peers).toHaveLength(1);
  });

  test("is a megabyte at most if nothing else is said", async () => {
    const side = async (bytes: number): Promise<string> => (await askExtra(answering(ok("x".repeat(bytes))))).said;
    expect(await side(1_048_577)).toBe("upstream_protocol");
    expect(await side(1_048_576)).toHaveLength("200 ".length + 1_048_576);
  });
});

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

function closing(bytes: string): Script {
  return async (peer) => {
    await stopping(bytes)(peer);
    await peer.close();
  };
}

async function closeExtra({ upstreams }: { upstreams: readonly { close(): Promise<void> }[] }): Promise<void> {
  await at(upstreams, 1).close();
}

function hooksWith(run: (proxy: Setup, x: Exchange) => void): Plugin {
  return quickPlugin("own", (proxy) => ({ admit: (x) => run(proxy, x) }));
}
