import { definePlugin, type Exchange, type HookMap, type HookName, type Plugin, type Reply } from "plugboard";
import { describe, expect, test } from "vitest";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const gates = ["request", "inspect", "resolve", "admit", "upstreamRequest"] as const;

/** Notes each phase that it runs in; answers in one of them. */
function noting(ran: string[], answering?: HookName, reply?: Reply): Plugin {
  return quickPlugin("noting", (proxy) => {
    const route = proxy.createRoute({ name: "r" });
    const hook = (phase: HookName) => (): never => {
      ran.push(phase);
      return (phase === answering ? reply : phase === "resolve" ? route : undefined) as never;
    };
    const observe = (phase: HookName) => (): undefined => void ran.push(phase);
    return {
      ...Object.fromEntries([...gates, "upstreamResponse", "error"].map((phase) => [phase, hook(phase as HookName)])),
      attemptEnd: observe("attemptEnd"),
      end: observe("end"),
    };
  });
}

async function ranFor(answering?: HookName, reply?: Reply): Promise<{ ran: string[]; status: number }> {
  const ran: string[] = [];
  const proxy = await openProxy({ plugins: [memUpstream(), noting(ran, answering, reply)] });
  const response = await proxy.fetch(new Request("http://proxy/"));
  await response.text();
  return { ran, status: response.status };
}

test("a request goes through all phases in order, once", async () => {
  expect(await ranFor()).toEqual({ ran: [...gates, "upstreamResponse", "attemptEnd", "end"], status: 200 });
});

test.each(["request", "inspect", "resolve", "admit"] as const)(
  "a reply in %s ends it: nothing after it runs but the end",
  async (phase) => {
    const { ran, status } = await ranFor(phase, { status: 418 });
    expect(status).toBe(418);
    expect(ran).toEqual([...gates.slice(0, gates.indexOf(phase) + 1), "end"]);
  },
);

describe("what an exchange knows in each phase", () => {
  test("grows: the body, the route, the target, the upstream's request", async () => {
    const seen: Record<string, unknown[]> = {};
    const look =
      (phase: string) =>
      (x: Exchange): undefined => {
        const { body, route, target, upstream } = x;
        seen[phase] = [body?.toString(), route?.name, target?.id, upstream.path];
        return undefined;
      };
    const looking = quickPlugin("looking", (proxy) => {
      proxy.needs({ body: 1_000 });
      const route = proxy.createRoute({ name: "r" });
      return {
        request: look("request"),
        inspect: look("inspect"),
        resolve: (x) => look("resolve")(x) ?? route,
        admit: look("admit"),
        upstreamRequest: look("upstreamRequest"),
      };
    });
    const proxy = await openProxy({ plugins: [memUpstream(), looking] });
    await (await proxy.fetch(new Request("http://proxy/p", { method: "POST", body: "hello" }))).text();
    expect(seen).toEqual({
      request: [undefined, undefined, undefined, ""],
      inspect: ["hello", undefined, undefined, ""],
      resolve: ["hello", undefined, undefined, ""],
      admit: ["hello", "r", undefined, ""],
      upstreamRequest: ["hello", "r", "mem://a", "/p"],
    });
  });
});

describe("a request that nothing resolves", () => {
  const model = (name: string): Plugin => hooks({ inspect: (x) => void (x.model = name) }, "model");
  const none = hooks({ resolve: () => {} }, "none");

  test.each<[string, Plugin[], number, string, string]>([
    ["goes to the default pool when no plugin resolves at all", [], 200, "", ""],
    ["is 404 when none of those that resolve wants it", [none], 404, "route_not_found", "Nothing here answers GET /p."],
    ["is told by its model if it has one", [model("m"), none], 404, "model_not_found", "Model 'm' not found."],
  ])("%s", async (_what, plugins, status, code, message) => {
    const proxy = await openProxy({ plugins: [memUpstream(), ...plugins] });
    const response = await proxy.fetch(new Request("http://proxy/p"));
    expect(response.status).toBe(status);
    if (status !== 200) expect(await response.json()).toMatchObject({ error: { code, message } });
  });

  test("is asked of one plugin after the other, and the first route wins", async () => {
    const naming = (name: string, want: boolean): Plugin =>
      quickPlugin(name, (proxy) => {
        const route = proxy.createRoute({ name });
        return { resolve: () => (want ? route : undefined) };
      });
    const proxy = await openProxy({
      plugins: [memUpstream(), naming("a", false), naming("b", true), naming("c", true)],
    });
    expect((await proxy.explain()).route?.name).toBe("b");
  });

  test("without a target is 503, and says which model", async () => {
    const proxy = await openProxy({ plugins: [model("m")] });
    const response = await proxy.fetch(new Request("http://proxy/p"));
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await response.json()).toMatchObject({
      error: { code: "no_targets", message: "No healthy services available for model 'm'" },
    });
  });
});

describe("the error phase", () => {
  const boom = (): never => {
    throw new Error("boom");
  };

  test.each<[string, HookMap, number]>([
    ["a plugin's mistake", { admit: boom }, 500],
    ["no route", { resolve: () => {} }, 404],
    ["a mistake of the upstream's head", { upstreamResponse: boom }, 500],
  ])("shows %s in the words of the first plugin that has some", async (_what, map, status) => {
    const words = hooks({ error: (_x, error) => ({ status: error.status, body: `in words: ${error.code}` }) }, "words");
    const silent = hooks({ error: () => {} }, "silent");
    const proxy = await openProxy({ plugins: [memUpstream(), hooks(map), silent, words] });
    const response = await proxy.fetch(new Request("http://proxy/"));
    expect(response.status).toBe(status);
    expect(await response.text()).toMatch(/^in words: /);
  });

  test("has no say in a reply that a plugin made", async () => {
    const proxy = await openProxy({
      plugins: [hooks({ request: () => ({ status: 401, body: "mine" }), error: () => ({ status: 500 }) })],
    });
    expect((await proxy.fetch(new Request("http://proxy/"))).status).toBe(401);
  });

  test("has no say in what an upstream answers", async () => {
    const failing = memUpstream(({ sink }) => {
      sink.connected();
      sink.head(500, {});
      sink.end();
    });
    const proxy = await openProxy({ plugins: [failing, hooks({ error: () => ({ status: 418 }) })] });
    expect((await proxy.fetch(new Request("http://proxy/"))).status).toBe(500);
  });
});

describe("the body that plugins need", () => {
  const needs = (...bodies: (number | "json")[]): Plugin =>
    definePlugin({ name: "needs", setup: (proxy) => bodies.forEach((body) => proxy.needs({ body })) })();

  test.each<[string, (number | "json")[], string, string, boolean]>([
    ["nothing is asked for", [], "POST", "application/json", false],
    ["JSON is asked for and comes", ["json"], "POST", "application/json; charset=utf-8", true],
    ["JSON is asked for and comes by PUT", ["json"], "PUT", "application/json", true],
    ["JSON is asked for and comes by PATCH", ["json"], "PATCH", "application/json", true],
    ["JSON is asked for and comes by DELETE", ["json"], "DELETE", "application/json", false],
    ["JSON is asked for and something else comes", ["json"], "POST", "image/png", false],
    ["any is asked for and something else comes", [100], "POST", "image/png", true],
    ["any is asked for and comes by DELETE", [100], "DELETE", "text/plain", true],
    ["both are asked for", ["json", 100], "POST", "image/png", true],
  ])("%s", async (_what, bodies, method, type, there) => {
    const seen: (Uint8Array | undefined)[] = [];
    const proxy = await openProxy({
      plugins: [memUpstream(), needs(...bodies), hooks({ inspect: (x) => void seen.push(x.body) })],
    });
    const init = { method, body: "{}", headers: { "content-type": type } };
    expect(await (await proxy.fetch(new Request("http://proxy/", init))).text()).toBe("mem://a");
    expect(seen.map((body) => body !== undefined)).toEqual([there]);
  });

  test.each<[string, (number | "json")[], string, number]>([
    ["the limit of what is looked into, for JSON", ["json"], "application/json", 413],
    ["the plugin's own limit, for any", [20], "image/png", 413],
    ["the largest of several", [20, 100], "image/png", 200],
    ["none, for what nobody looks into", ["json"], "image/png", 200],
  ])("has a limit: %s", async (_what, bodies, type, status) => {
    const proxy = await openProxy({ plugins: [memUpstream(), needs(...bodies)], limits: { inspect: 30 } });
    const body = `"${"x".repeat(50)}"`;
    const request = new Request("http://proxy/", { method: "POST", body, headers: { "content-type": type } });
    expect((await proxy.fetch(request)).status).toBe(status);
  });

  test("of a request without one is nothing, and not an empty one", async () => {
    const seen: unknown[] = [];
    const proxy = await openProxy({
      plugins: [memUpstream(), needs(100), hooks({ inspect: (x) => void seen.push(x.body) })],
    });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(seen).toEqual([undefined]);
  });
});

test("limits given to createProxy stand under those of the config, through reloads", async () => {
  const { createProxy } = await import("plugboard");
  const proxy = await createProxy({ plugins: [memUpstream()] }, { limits: { url: 10, headerCount: 5 } });
  const statusOf = async (path: string): Promise<number> =>
    (await proxy.fetch(new Request(`http://proxy${path}`))).status;
  expect(await statusOf("/longer-than-ten")).toBe(414);
  await proxy.reload({ plugins: [memUpstream()], limits: { url: 100 } });
  expect(await statusOf("/longer-than-ten")).toBe(200);
  await proxy.reload({ plugins: [memUpstream()] });
  expect(await statusOf("/longer-than-ten")).toBe(414);
  await proxy.close();
});
