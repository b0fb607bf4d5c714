import { HTTPError } from "h3";
import { type HookMap, type Plugin, ProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { outcomeLog } from "../exchange/outcome-log.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { get } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";

type Handler = () => unknown;

/** A plugin with one route of the control plane. */
const answering = (handler: Handler, path = "/control"): Plugin =>
  quickPlugin("answering", (proxy) => proxy.route("GET", path, handler));
const boom = (): never => {
  throw new Error("boom");
};

async function asked(handler: Handler, gate: HookMap = {}): Promise<{ response: Response; lines: readonly string[] }> {
  const proxy = await openProxy({ plugins: [memUpstream(), answering(handler), hooks(gate)] });
  return { response: await proxy.fetch(new Request("http://proxy/control")), lines: proxy.lines };
}

describe("a control route answers", () => {
  test.each<[string, Handler, string, RegExp]>([
    ["an object as JSON", () => ({ a: 1 }), '{"a":1}', /json/],
    ["a text", () => "hello", "hello", /text/],
    ["later", async () => "later", "later", /text/],
    ["a Response as it is", () => new Response("made", { headers: { "content-type": "x/y" } }), "made", /^x\/y$/],
  ])("%s", async (_what, handler, text, type) => {
    const { response } = await asked(handler);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(text);
    expect(response.headers.get("content-type")).toMatch(type);
  });

  test("with an error of h3's, if it throws one", async () => {
    const { response } = await asked(() => {
      throw new HTTPError({ status: 404, message: "no such thing" });
    });
    expect(response.status).toBe(404);
  });
});

describe("the request gate guards it", () => {
  const handler = (): string => "secret";

  test.each<[string, HookMap]>([
    ["at once", { request: () => ({ status: 401 }) }],
    ["later", { request: async () => ({ status: 401 }) }],
  ])("a reply %s is the answer", async (_what, gate) => {
    const { response } = await asked(handler, gate);
    expect([response.status, await response.text()]).toEqual([401, ""]);
  });

  test.each<[string, HookMap]>([
    ["at once", { request: boom }],
    ["later", { request: async () => boom() }],
  ])("a mistake %s is a closed gate", async (_what, gate) => {
    const { response } = await asked(handler, gate);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "plugin_error" } });
  });

  test("letting it in later is letting it in", async () => {
    const { response } = await asked(handler, { request: async () => {} });
    expect(await response.text()).toBe("secret");
  });

  test.each(["/%63ontrol", "/control%2f", "/x/../control", "/./control", "/control%00", "http://other/control"])(
    "and under no other spelling of its path is there a way around: %s",
    async (path) => {
      const gate = hooks({ request: (x) => (x.path === "/control" ? { status: 401 } : undefined) });
      const wire = await openWire([], { plugins: [answering(handler), gate] });
      const { status, text } = await wire.exchange(get(path));
      expect(status).toBe(400);
      expect(text).not.toContain("secret");
    },
  );
});

test("no other phase runs for it", async () => {
  const ran: string[] = [];
  const { response } = await asked(() => "x", {
    request: () => void ran.push("request"),
    inspect: () => void ran.push("inspect"),
    resolve: () => void ran.push("resolve"),
    admit: () => void ran.push("admit"),
    upstreamRequest: () => void ran.push("upstreamRequest"),
  });
  await response.text();
  expect(ran).toEqual(["request"]);
});

describe("a handler that fails", () => {
  test.each<[string, Handler]>([
    ["at once", boom],
    ["later", async () => boom()],
  ])("%s is the plugin's fault, in our words, and logged by its name", async (_what, handler) => {
    const { response, lines } = await asked(handler);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("boom");
    expect(response.headers.get("x-proxy-error")).toBe("plugin_error");
    expect(lines).toEqual([expect.stringMatching(/answering[^]*Error: boom/)]);
  });

  test("with an error that is meant says that", async () => {
    const { response } = await asked(() => {
      throw new ProxyError("overloaded", "Full.");
    });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { message: "Full.", code: "overloaded" } });
  });
});

test("it is an exchange like any other: it ends once, as local", async () => {
  const log = outcomeLog();
  const proxy = await openProxy({ plugins: [memUpstream(), answering(() => "hello"), log.plugin] });
  await (await proxy.fetch(new Request("http://proxy/control"))).text();
  expect(log.told.map(({ hook }) => hook)).toEqual(["end"]);
  expect(log.ends).toMatchObject([{ kind: "local", status: 200, error: undefined }]);
  expect(proxy.status().active).toBe(0);
});

test("a request for one of its paths says so from the first hook on, and no other does", async () => {
  const seen: [string, boolean][] = [];
  const proxy = await openProxy({
    plugins: [memUpstream(), answering(() => "here"), hooks({ request: (x) => void seen.push([x.path, x.control]) })],
  });
  for (const path of ["/control", "/control/x", "/"]) await proxy.fetch(new Request(`http://proxy${path}`));
  expect(seen).toEqual([
    ["/control", true],
    ["/control/x", false],
    ["/", false],
  ]);
});
