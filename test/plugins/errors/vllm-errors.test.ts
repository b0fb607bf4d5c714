import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createProxy, definePlugin, type ErrorCode, errorKinds, type Plugin, type Proxy, ProxyError } from "plugboard";
import { staticTargets } from "plugboard/plugins";
import { type VllmErrorsOptions, vllmErrors } from "plugboard/plugins/errors/vllm-errors";
import { testErrorShape, testPlugin } from "plugboard/testing";

testPlugin({
  test,
  create: () => vllmErrors({}),
  badOptions: [{ options: { version: "second" }, says: 'version: Expected "first" or "newer"' }],
});

const versions = ["first", "newer"] as const;

for (const version of versions) {
  describe(`the ${version} version`, () => {
    testErrorShape({ test, create: () => vllmErrors({ version }), shape: "text" });
  });
}

async function started(plugins: readonly Plugin[]): Promise<Proxy> {
  const proxy = await createProxy({ plugins });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return proxy;
}

/** Fails every request. */
const failing = definePlugin({
  name: "failing",
  setup: () => ({
    request(x) {
      const code = String(x.headers["x-code"]) as ErrorCode;
      throw new ProxyError(code, 'It is "bad".');
    },
  }),
});

/** Says of a target that it is down. */
const sick = definePlugin({
  name: "sick",
  setup(proxy) {
    const reporter = proxy.reporter("sick");
    proxy.onReady(() => reporter.down("a", "sick"));
  },
});

async function ask(proxy: Proxy, headers: Record<string, string> = {}, method = "GET"): Promise<Response> {
  return proxy.fetch(new Request("http://proxy/v1/models", { headers, method }));
}

async function told(proxy: Proxy, headers?: Record<string, string>): Promise<[number, string]> {
  const response = await ask(proxy, headers);
  return [response.status, await response.text()];
}

async function upstream(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const failure = { first: "vLLM upstream failure", newer: "vLLM connection failed" };
const shutDown = { first: "vLLM client not initialized", newer: "Service is shutting down" };
const notReady = { first: "vLLM backend not ready", newer: "No vLLM backend available" };

describe.each<NonNullable<VllmErrorsOptions["version"]>>(versions)("the %s version", (version) => {
  const shaped = vllmErrors({ version });

  test("says that there is no backend", async () => {
    expect(await told(await started([shaped]))).toEqual([503, "No vLLM backend available"]);
  });

  test("says that no backend is ready", async () => {
    const proxy = await started([staticTargets({ targets: [{ id: "a", url: "http://127.0.0.1:1" }] }), sick(), shaped]);
    expect(await told(proxy)).toEqual([503, notReady[version]]);
  });

  test("says that a backend cannot be connected to", async () => {
    const proxy = await started([staticTargets({ targets: ["http://127.0.0.1:1"] }), shaped]);
    expect(await told(proxy)).toEqual([502, failure[version]]);
  });

  test("says that a backend broke off before its answer", async () => {
    const url = await upstream((request) => request.socket.resetAndDestroy());
    const proxy = await started([staticTargets({ targets: [url] }), shaped]);
    expect(await told(proxy)).toEqual([502, failure[version]]);
  });

  test.each<[ErrorCode, string]>([
    ["connect_failed", failure[version]],
    ["dns_error", failure[version]],
    ["tls_error", failure[version]],
    ["connect_timeout", failure[version]],
    ["upstream_reset", failure[version]],
    ["upstream_protocol", failure[version]],
    ["upstream_timeout", failure[version]],
    ["draining", shutDown[version]],
    ["no_targets", "No vLLM backend available"],
    ["cooling_down", "No vLLM backend available"],
    ["overloaded", 'It is "bad".'],
    ["total_timeout", 'It is "bad".'],
    ["model_not_found", 'It is "bad".'],
    ["plugin_error", 'It is "bad".'],
  ])("%s has its status and a text", async (code, text) => {
    const proxy = await started([failing(), shaped]);
    expect(await told(proxy, { "x-code": code })).toEqual([errorKinds[code].status, text]);
  });
});

test("is the newer version by default", async () => {
  expect(await told(await started([failing(), vllmErrors()]), { "x-code": "upstream_reset" })).toEqual([
    502,
    "vLLM connection failed",
  ]);
});

test("an error is plain text, with the headers that clients and caches go by", async () => {
  const response = await ask(await started([vllmErrors()]));
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "content-length": "25",
    "retry-after": "1",
    "x-proxy-error": "no_targets",
    "x-content-type-options": "nosniff",
  });
});

test("a HEAD gets the head of it", async () => {
  const response = await ask(await started([vllmErrors()]), {}, "HEAD");
  expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([503, "25", ""]);
});

test("what a backend answers passes as it is", async () => {
  const url = await upstream((_request, response) => void response.writeHead(503).end("busy"));
  const proxy = await started([staticTargets({ targets: [url] }), vllmErrors()]);
  expect(await told(proxy)).toEqual([503, "busy"]);
});
