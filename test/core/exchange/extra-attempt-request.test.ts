import type { Exchange, Plugin, Setup, Target } from "plugboard";
import { describe, expect, test } from "vitest";
import { answering } from "../../wire/evil-upstream.ts";
import { ok, post, postChunked } from "../../wire/messages.ts";
import { at, deferred } from "../../wire/waiting.ts";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { askExtra, type Asking } from "./ask-extra.ts";
import { sidePlugin, told } from "./side-plugin.ts";

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
        upstream.body = Buffer.concat([upstream.body, Buffer.from(`!${target?.weight}`)]);
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
        const edit = (upstream: Exchange["upstream"]): void => void (upstream.method = "PUT");
        if (x.target !== own.target) await own.attempt(x, { edit }).answer;
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

function boom(): never {
  throw new Error("boom");
}

function hooksWith(run: (proxy: Setup, x: Exchange) => void): Plugin {
  return quickPlugin("own", (proxy) => ({ admit: (x) => run(proxy, x) }));
}
