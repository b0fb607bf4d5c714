import { definePlugin, type ExplainRequest, type Plugin, ProxyError } from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { describe, expect, test } from "vitest";
import { answering, type RawRequest } from "../../wire/evil-upstream.ts";
import { message, ok } from "../../wire/messages.ts";
import { openWire, type WireOptions } from "../../wire/open-wire.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

// What explain says of a request is what happens to it when it is sent.

const needs = (body: number | "json"): Plugin =>
  definePlugin({ name: "needs", setup: (proxy) => proxy.needs({ body }) })();
const fast = alias({ fast: { targets: [{ model: "qwen3-8b" }] } });
const fail = (): never => {
  throw new ProxyError("forbidden", "Not for you.");
};
const boom = (): never => {
  throw new Error("boom");
};
const chat = (model: string): string => `{"model":"${model}","messages":[]}`;
const control = quickPlugin("control", (proxy) => proxy.route("GET", "/control", () => "answered here"));

/** The same request as bytes. */
function toBytes({ method, path = "/", headers = {}, body }: ExplainRequest): string {
  const text = body === undefined ? "" : String(body);
  const type = body !== undefined && !("content-type" in headers) ? ["Content-Type: application/json"] : [];
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const framing = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(text)}`];
  const verb = method ?? (body === undefined ? "GET" : "POST");
  return message([`${verb} ${path} HTTP/1.1`, "Host: localhost", ...type, ...lines, ...framing], text);
}

interface BothWays {
  readonly explained: object;
  readonly real: object;
}

/** What is said to be forwarded or answered, and what is. */
async function bothWays(request: ExplainRequest, options: WireOptions): Promise<BothWays> {
  const seen: RawRequest[] = [];
  const wire = await openWire(
    answering((each) => {
      seen.push(each);
      return ok();
    }),
    options,
  );
  const { upstream, reply } = await wire.proxy.explain(request);
  const response = await wire.exchange(toBytes(request), request.method);
  const [forwarded] = seen;
  const code = response.get("x-proxy-error");
  return {
    explained:
      upstream === undefined
        ? { status: reply?.status, text: withoutId(reply?.body ?? ""), ...(code && { code: reply?.code }) }
        : { method: upstream.method, url: upstream.url, body: upstream.body ?? "" },
    real:
      forwarded === undefined
        ? { status: response.status, text: withoutId(response.body.toString("utf8")), ...(code && { code }) }
        : { method: forwarded.method, url: wire.upstream.url + forwarded.path, body: forwarded.text },
  };
}

const withoutId = (text: string): string => text.replace(/"request_id":"[^"]*"/, '"request_id":"-"');

type Row = readonly [what: string, request: ExplainRequest, options?: WireOptions];

describe("what is forwarded", () => {
  test.each<Row>([
    ["a GET", {}],
    ["a path and a query", { path: "/a//b;c?d=%zz&d" }],
    ["a base path", { path: "/models" }, { basePath: "/v1" }],
    ["a DELETE", { method: "DELETE", path: "/x" }],
    ["a body that nobody looks at", { body: "hello", headers: { "content-type": "text/plain" } }],
    ["a body that was looked at", { body: chat("m") }, { plugins: [needs("json")] }],
    ["a body whose model is another upstream", { body: chat("fast") }, { plugins: [fast] }],
    ["a body of a plugin's", { body: "{}" }, { plugins: [hooks({ upstreamRequest: (x) => void (x.upstream.body = Buffer.from("mine")) })] }],
    ["a path of a plugin's", {}, { plugins: [hooks({ upstreamRequest: async (x) => void (x.upstream.path = "/mine") })] }],
    ["a header that decides", { headers: { "X-To": "/there" } }, { plugins: [hooks({ upstreamRequest: (x) => void (x.upstream.path = String(x.headers["x-to"])) })] }],
  ])("%s", async (_what, request, options = {}) => {
    const { explained, real } = await bothWays(request, options);
    expect(explained).toEqual(real);
  });
});

describe("what is answered here", () => {
  test.each<Row>([
    ["a gate's reply", {}, { plugins: [hooks({ request: () => ({ status: 401, body: "who?" }) })] }],
    ["a gate's reply in bytes", {}, { plugins: [hooks({ request: () => ({ status: 401, body: new Uint8Array([104, 105]) }) })] }],
    ["an error that is meant", {}, { plugins: [hooks({ admit: fail })] }],
    ["a plugin's mistake", {}, { plugins: [hooks({ inspect: boom })] }],
    ["an error in a plugin's words", {}, { plugins: [hooks({ admit: fail, error: () => ({ status: 418, body: "teapot" }) })] }],
    ["no route", { path: "/x" }, { plugins: [hooks({ resolve: () => {} })] }],
    ["an unknown model", { body: chat("nobody") }, { plugins: [fast] }],
    ["a path with two readings", { path: "/a/../b" }],
    ["a method that is not taken", { method: "TRACE" }],
    ["a URL that is too long", { path: `/${"a".repeat(100)}` }, { limits: { url: 50 } }],
    ["a body that is too large", { body: "x".repeat(100) }, { limits: { body: 50 } }],
    ["a body that is too large to look into", { body: `"${"x".repeat(100)}"` }, { limits: { inspect: 50 }, plugins: [needs("json")] }],
    ["the options of the server itself", { method: "OPTIONS", path: "*" }],
  ])("%s", async (_what, request, options = {}) => {
    const { explained, real } = await bothWays(request, options);
    expect(explained).toEqual(real);
  });

  test("no target at all", async () => {
    const wire = await openWire([]);
    const { reply } = await wire.proxy.explain();
    const { status, text } = await wire.exchange(toBytes({}));
    expect({ status: reply?.status, text: withoutId(reply?.body ?? "") }).toEqual({ status, text: withoutId(text) });
  });

  test("a control route: nothing is said to be forwarded", async () => {
    const wire = await openWire(undefined, { plugins: [control] });
    expect(await wire.proxy.explain({ path: "/control" })).toMatchObject({ attempts: [], upstream: undefined });
  });
});

test("a method may be typed in lower case, and a Host that is none is refused", async () => {
  const wire = await openWire();
  expect((await wire.proxy.explain({ method: "put" })).upstream?.method).toBe("PUT");
  expect((await wire.proxy.explain({ headers: { Host: "a,b" } })).reply).toMatchObject({ code: "invalid_host" });
});
