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

interface Row {
  readonly what: string;
  readonly request: ExplainRequest;
  readonly options?: WireOptions;
}

describe("what is forwarded", () => {
  test.each<Row>([
    { what: "a GET", request: {} },
    { what: "a path and a query", request: { path: "/a//b;c?d=%zz&d" } },
    { what: "a base path", request: { path: "/models" }, options: { basePath: "/v1" } },
    { what: "a DELETE", request: { method: "DELETE", path: "/x" } },
    { what: "a body that nobody looks at", request: { body: "hello", headers: { "content-type": "text/plain" } } },
    { what: "a body that was looked at", request: { body: chat("m") }, options: { plugins: [needs("json")] } },
    { what: "a body whose model is another upstream", request: { body: chat("fast") }, options: { plugins: [fast] } },
    {
      what: "a body of a plugin's",
      request: { body: "{}" },
      options: { plugins: [hooks({ upstreamRequest: (x) => void (x.upstream.body = Buffer.from("mine")) })] },
    },
    {
      what: "a path of a plugin's",
      request: {},
      options: { plugins: [hooks({ upstreamRequest: async (x) => void (x.upstream.path = "/mine") })] },
    },
    {
      what: "a header that decides",
      request: { headers: { "X-To": "/there" } },
      options: { plugins: [hooks({ upstreamRequest: (x) => void (x.upstream.path = String(x.headers["x-to"])) })] },
    },
  ])("$what", async ({ request, options = {} }) => {
    const { explained, real } = await bothWays(request, options);
    expect(explained).toEqual(real);
  });
});

describe("what is answered here", () => {
  test.each<Row>([
    {
      what: "a gate's reply",
      request: {},
      options: { plugins: [hooks({ request: () => ({ status: 401, body: "who?" }) })] },
    },
    {
      what: "a gate's reply in bytes",
      request: {},
      options: { plugins: [hooks({ request: () => ({ status: 401, body: new Uint8Array([104, 105]) }) })] },
    },
    { what: "an error that is meant", request: {}, options: { plugins: [hooks({ admit: fail })] } },
    { what: "a plugin's mistake", request: {}, options: { plugins: [hooks({ inspect: boom })] } },
    {
      what: "an error in a plugin's words",
      request: {},
      options: { plugins: [hooks({ admit: fail, error: () => ({ status: 418, body: "teapot" }) })] },
    },
    { what: "no route", request: { path: "/x" }, options: { plugins: [hooks({ resolve: () => {} })] } },
    { what: "an unknown model", request: { body: chat("nobody") }, options: { plugins: [fast] } },
    { what: "a path with two readings", request: { path: "/a/../b" } },
    { what: "a method that is not taken", request: { method: "TRACE" } },
    { what: "a URL that is too long", request: { path: `/${"a".repeat(100)}` }, options: { limits: { url: 50 } } },
    { what: "a body that is too large", request: { body: "x".repeat(100) }, options: { limits: { body: 50 } } },
    {
      what: "a body that is too large to look into",
      request: { body: `"${"x".repeat(100)}"` },
      options: { limits: { inspect: 50 }, plugins: [needs("json")] },
    },
    { what: "the options of the server itself", request: { method: "OPTIONS", path: "*" } },
  ])("$what", async ({ request, options = {} }) => {
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
