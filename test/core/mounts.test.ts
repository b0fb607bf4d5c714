import { createProxy, definePlugin, type MountConfig, type Plugin, type ProxyConfig } from "plugboard";
import { roundRobin } from "plugboard/plugins";
import { describe, expect, test } from "vitest";
import { checkConfig } from "../../core/check.ts";
import { problemsOf } from "./config/config-error-of.ts";
import { type MemCall, memUpstream } from "./mem-upstream.ts";
import { openProxy, type OpenProxy } from "./open-proxy.ts";
import { hooks, quickPlugin } from "./quick-plugin.ts";

/** Answers with the target, the method and the path that it got. */
function echo({ target, x, sink }: MemCall): void {
  sink.connected();
  sink.head(200, { "content-type": "text/plain" });
  sink.data(Buffer.from(`${target.id} ${x.upstream.method} ${x.upstream.path}`));
  sink.end();
}

const upstreams = memUpstream(echo, [{ id: "main", url: "mem://main" }]);
const others = quickPlugin("others", (proxy) =>
  proxy.provide("discovery", "others", {
    pool: "others",
    start: (sink) => sink.replace([{ id: "other", url: "mem://other" }]),
  }),
);

function mountedOn(mounts: readonly MountConfig[], more: Partial<ProxyConfig> = {}): Promise<OpenProxy> {
  return openProxy({ ...more, plugins: [upstreams, others, ...(more.plugins ?? [])], mounts });
}

/** Status and text. */
async function ask(proxy: OpenProxy, path: string, init: RequestInit = {}): Promise<string> {
  const response = await proxy.fetch(new Request(`http://localhost${path}`, init));
  const text = await response.text();
  return response.status === 200 ? text : `${response.status} ${response.headers.get("x-proxy-error")}`;
}

/** A control route that answers with its name. */
const page = (name: string, path: string): Plugin => quickPlugin(name, (proxy) => proxy.route("GET", path, () => name));

describe("paths are split", () => {
  const mounts: MountConfig[] = [
    { path: "/v1" },
    { path: "/api", pool: "others" },
    { path: "/old", pool: "others", strip: true },
    { path: "/hello", handler: ({ url }) => `hello from ${url.pathname}` },
  ];

  test.each([
    ["/v1/models?a=1", "main GET /v1/models?a=1"],
    ["/v1", "main GET /v1"],
    ["/v1x", "404 route_not_found"],
    ["/api/users", "other GET /api/users"],
    ["/old/x/y?z", "other GET /x/y?z"],
    ["/old", "other GET /"],
    ["/old/", "other GET /"],
    ["/old?a", "other GET /?a"],
    ["/older", "404 route_not_found"],
    ["/hello", "hello from /hello"],
    ["/hello/you", "hello from /hello/you"],
    ["/", "404 route_not_found"],
    ["/favicon.ico", "404 route_not_found"],
  ])("%s: %s", async (path, expected) => {
    expect(await ask(await mountedOn(mounts), path)).toBe(expected);
  });

  test("and hosts", async () => {
    const proxy = await mountedOn([{ host: "api.test", pool: "others" }, { host: "*.apps.test" }]);
    const get = (host: string): Promise<string> => ask(proxy, "/x", { headers: { host } });
    expect(await get("api.test:8000")).toBe("other GET /x");
    expect(await get("a.apps.test")).toBe("main GET /x");
    expect(await get("localhost")).toBe("404 route_not_found");
  });

  test("one mount may have several paths and hosts", async () => {
    const proxy = await mountedOn([{ path: ["/a", "/b/"], host: ["one.test", "two.test"], strip: true }]);
    const get = (path: string, host: string): Promise<string> => ask(proxy, path, { headers: { host } });
    expect(await get("/a/x", "one.test")).toBe("main GET /x");
    expect(await get("/b/y", "two.test")).toBe("main GET /y");
    expect(await get("/b/y", "three.test")).toBe("404 route_not_found");
  });

  test("without mounts all of it goes one way, as ever", async () => {
    expect(await ask(await openProxy({ plugins: [upstreams] }), "/anything")).toBe("main GET /anything");
  });
});

describe("the plugins of a mount", () => {
  test("take part in its requests only, behind those of the config", async () => {
    const said: string[] = [];
    const say = (name: string): Plugin => hooks({ request: () => void said.push(name) }, name);
    const proxy = await mountedOn([{ path: "/a", plugins: [say("inner")] }, { path: "/b" }], {
      plugins: [say("shared")],
    });
    await ask(proxy, "/b");
    expect(said.splice(0)).toEqual(["shared"]);
    await ask(proxy, "/a");
    expect(said.splice(0)).toEqual(["shared", "inner"]);
    await ask(proxy, "/c");
    expect(said).toEqual(["shared"]);
  });

  test("may stand in several mounts, each an instance of its own", async () => {
    const counting = definePlugin({
      name: "counting",
      setup() {
        let count = 0;
        return { request: () => ({ status: 200, body: String((count += 1)) }) };
      },
    });
    const proxy = await mountedOn([
      { path: "/a", plugins: [counting()] },
      { path: "/b", plugins: [counting()] },
    ]);
    expect([await ask(proxy, "/a"), await ask(proxy, "/a"), await ask(proxy, "/b")]).toEqual(["1", "2", "1"]);
  });

  test("resolve before those of the config, which are then not asked", async () => {
    const to = (pool: string): Plugin =>
      quickPlugin(`to-${pool}`, (proxy) => {
        const route = proxy.createRoute({ name: pool, pool });
        return { resolve: () => route };
      });
    const proxy = await mountedOn(
      [{ path: "/a", plugins: [to("default")] }, { path: "/b" }, { path: "/c", pool: "default" }],
      {
        plugins: [to("others")],
      },
    );
    expect(await ask(proxy, "/a")).toBe("main GET /a");
    expect(await ask(proxy, "/b")).toBe("other GET /b");
    expect(await ask(proxy, "/c")).toBe("main GET /c");
  });

  test("answer paths below its own", async () => {
    const proxy = await mountedOn([{ path: "/in", plugins: [page("inner", "/status")] }], {
      plugins: [page("outer", "/status")],
    });
    expect(await ask(proxy, "/in/status")).toBe("inner");
    expect(await ask(proxy, "/status")).toBe("outer");
  });

  test("choose their own selector, and relays see its answers only", async () => {
    const seen: string[] = [];
    const relay = quickPlugin("relay", (proxy) =>
      proxy.provide("relay", "relay", {
        match: () => true,
        create: (x) => ({ observes: true, data: (chunk) => (seen.push(x.path), chunk) }),
      }),
    );
    const proxy = await mountedOn([{ path: "/a", plugins: [relay, roundRobin()] }, { path: "/b" }]);
    await ask(proxy, "/b");
    expect(seen).toEqual([]);
    await ask(proxy, "/a");
    expect(seen).toEqual(["/a"]);
    expect((await proxy.explain({ path: "/a" })).route).toMatchObject({ name: "/a", selector: "round-robin" });
  });

  test("do not have a body read for requests of others", async () => {
    const proxy = await mountedOn([
      { path: "/a", plugins: [quickPlugin("reader", (setup) => setup.needs({ body: 3 }))] },
      { path: "/b" },
    ]);
    const post = (path: string): Promise<string> => ask(proxy, path, { method: "POST", body: "longer" });
    expect(await post("/a")).toBe("413 body_too_large");
    expect(await post("/b")).toBe("main POST /b");
    expect(await post("/none")).toBe("404 route_not_found");
  });

  test("are told of health wherever they stand", async () => {
    const told: string[] = [];
    const inner = hooks({ health: (target, up) => void told.push(`${target.id} ${up}`) }, "inner");
    const proxy = await mountedOn([{ path: "/a", plugins: [inner] }], {
      plugins: [quickPlugin("doom", (setup) => setup.onReady(() => setup.reporter("doom").down("main", "test")))],
    });
    await ask(proxy, "/a");
    expect(told).toEqual(["main false"]);
  });

  test("keep what they keep over reloads, for each mount apart", async () => {
    const keeping = definePlugin({
      name: "keeping",
      setup(proxy) {
        const kept = proxy.keep("count", () => ({ count: 0 }));
        return { request: () => ({ status: 200, body: String((kept.count += 1)) }) };
      },
    });
    const mounts = [
      { path: "/a", plugins: [keeping()] },
      { path: "/b", plugins: [keeping()] },
    ];
    const proxy = await mountedOn(mounts);
    await ask(proxy, "/a");
    await proxy.reload();
    expect([await ask(proxy, "/a"), await ask(proxy, "/b")]).toEqual(["2", "1"]);
  });
});

describe("what guards the config", () => {
  const guard = hooks({ request: (x) => (x.headers.authorization === "yes" ? undefined : { status: 401 }) }, "guard");

  test.each(["/v1/x", "/hello", "/in/status", "/status", "/nowhere"])("guards %s", async (path) => {
    const mounts = [
      { path: "/v1" },
      { path: "/hello", handler: () => "hello" },
      { path: "/in", plugins: [page("inner", "/status")] },
    ];
    const proxy = await mountedOn(mounts, { plugins: [guard, page("outer", "/status")] });
    expect((await proxy.fetch(new Request(`http://localhost${path}`))).status).toBe(401);
    const allowed = await proxy.fetch(new Request(`http://localhost${path}`, { headers: { authorization: "yes" } }));
    expect(allowed.status).toBe(path === "/nowhere" ? 404 : 200);
  });

  test("is told of the end of what a handler answered, and its errors are not shown", async () => {
    const ends: number[] = [];
    const mounts = [
      { path: "/fails", handler: () => Promise.reject(new Error("the secret")) },
      { path: "/fine", handler: () => "fine" },
    ];
    const proxy = await mountedOn(mounts, {
      plugins: [hooks({ end: (_x, outcome) => void ends.push(outcome.status) }, "ends")],
    });
    expect(await ask(proxy, "/fine")).toBe("fine");
    const failed = await proxy.fetch(new Request("http://localhost/fails"));
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain("secret");
    expect(ends).toEqual([200, 500]);
  });
});

describe("a config with mounts is refused", () => {
  const mistakes: [string, MountConfig[], string, string][] = [
    ["a path without a slash", [{ path: "v1" }], "mounts.0.path", "Expected a path such as /v1"],
    ["a path with a query", [{ path: "/v1?x" }], "mounts.0.path", "Expected a path such as /v1"],
    ["a path that no request can have", [{ path: "/a/../b" }], "mounts.0.path", "no request can have this path"],
    ["an encoded letter", [{ path: "/%61pi" }], "mounts.0.path", "no request can have this path"],
    ["the same place twice", [{ path: "/v1" }, { path: "/v1/" }], "mounts.1.path", "first as mounts.0.path"],
    ["no mounts", [], "mounts", "Expected one mount or more"],
    ["a host with a port", [{ host: "a.test:80" }], "mounts.0.host", "Expected a host name"],
    ["a handler and a pool", [{ handler: () => "", pool: "p" }], "mounts.0.pool", "the handler answers them here"],
    ["a handler that is none", [{ handler: "x" as never }], "mounts.0.handler", "Expected a function"],
  ];

  test.each(mistakes)("for %s", async (_, mounts, path, message) => {
    const problems = await problemsOf(createProxy({ plugins: [], mounts }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ path, message: expect.stringContaining(message) });
  });

  test("for a plugin in a mount, named by where it stands", async () => {
    const strict: (options?: unknown) => Plugin = definePlugin({ name: "strict", setup: () => {} });
    const mounts = [{ path: "/a" }, { path: "/b", plugins: [hooks({}), strict({ x: 1 }), "no" as unknown as Plugin] }];
    expect(await problemsOf(createProxy({ plugins: [hooks({}, "first")], mounts }))).toMatchObject([
      { plugin: "mounts[1].plugins[2]", message: "is not a plugin" },
    ]);
    mounts[1]?.plugins?.pop();
    expect(await problemsOf(createProxy({ plugins: [hooks({}, "first")], mounts }))).toMatchObject([
      { plugin: "mounts[1].plugins[1] strict", message: "takes no options" },
    ]);
  });

  test("for what a plugin in a mount does wrong in its setup, and what it wants that nobody has", async () => {
    const broken = quickPlugin("broken", () => Promise.reject(new Error("no luck")));
    const wanting = quickPlugin("wanting", (proxy) => void proxy.use("selector", "none"));
    for (const [plugin, message] of [
      [broken, "setup failed: no luck"],
      [wanting, 'wants selector "none"'],
    ] as const) {
      const [problem] = await problemsOf(createProxy({ plugins: [hooks({})], mounts: [{ plugins: [plugin] }] }));
      expect(problem).toMatchObject({ message: expect.stringContaining(message) });
      expect(problem?.plugin).toMatch(/^mounts\[0\]\.plugins\[0\] /);
    }
  });

  test("for a plugin that stands in one mount twice", async () => {
    const once = definePlugin({ name: "once", setup: () => {} });
    const mounts = [{ plugins: [once(), once()] }];
    expect(await problemsOf(createProxy({ plugins: [once()], mounts }))).toMatchObject([
      { plugin: "mounts[0].plugins[1] once", message: expect.stringContaining("first as mounts[0].plugins[0]") },
    ]);
  });
});

test("explain and check show what a mount does", async () => {
  const config: ProxyConfig = {
    plugins: [upstreams, others, hooks({ request: () => {} }, "shared")],
    mounts: [
      { path: "/api", pool: "others", strip: true, plugins: [hooks({ request: () => {} }, "inner")] },
      { path: "/hello", handler: () => "hello" },
    ],
  };
  const proxy = await openProxy(config);
  const found = await proxy.explain({ path: "/api/x" });
  expect(found.route).toMatchObject({ name: "/api", pool: "others" });
  expect(found.upstream).toMatchObject({ url: "mem://other/x" });
  expect(found.hooks).toEqual({ request: ["shared", "inner"] });
  expect((await proxy.explain({ path: "/hello" })).steps).toEqual([
    { phase: "request", note: "answered here, by the handler of mount /hello" },
  ]);
  expect((await proxy.explain({ path: "/no" })).reply).toMatchObject({ status: 404 });
  expect((await checkConfig(config)).sites).toEqual([
    { name: "/api", hooks: { request: ["shared", "inner"] } },
    { name: "/hello", hooks: { request: ["shared"] } },
  ]);
});
