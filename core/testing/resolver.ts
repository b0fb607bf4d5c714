import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { DiscoverySink } from "../contract/services.ts";
import { definePlugin, defineSelector, type Plugin } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import type { Test } from "./plugin.ts";

export interface ResolverSuite {
  readonly test: Test;
  /** A new plugin for each case. */
  readonly create: () => Plugin;
  /** A model that clients may ask for; with a letter in it, as case has to count. */
  readonly name: string;
  /**
   * What the upstream calls that model. The suite's targets list it and nothing else; their label `provider` is `suite`.
   * @default the same
   */
  readonly upstreamModel?: string;
  /** What else its config has to hold. */
  readonly others?: () => readonly Plugin[];
}

/**
 * Tests the laws that hold for every plugin that resolves the model of a request.
 *
 * A model it knows reaches a target under the upstream's name, with every other byte of the body as it was, at each
 * attempt anew. One it does not know is a 404 in the error envelope, whatever it is called; case counts. Bodies that
 * leave the model in doubt are a 400 and compressed ones a 415, and no upstream sees them. Bodies of GET, and bodies
 * that are not JSON, are not looked into. Two instances are independent.
 *
 * The suite brings targets, a selector and an upstream on a port of its own.
 *
 * @example
 * testResolver({
 *   test,
 *   create: () => alias({ fast: { targets: [{ model: "qwen3-8b" }] } }),
 *   name: "fast",
 *   upstreamModel: "qwen3-8b",
 * });
 */
export function testResolver(suite: ResolverSuite): void {
  const { test, name, upstreamModel = name } = suite;
  const known = `{"model":${JSON.stringify(name)}}`;
  const law = (title: string, run: (stage: Stage) => Promise<void>, options?: StageOptions): unknown =>
    test(title, () => onStage(suite, run, options));

  law("sends a model it knows to a target, under the upstream's name", async ({ send, received }) => {
    const answer = await send({ body: known });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(JSON.parse(received[0]?.text ?? ""), { model: upstreamModel });
  });

  for (const [title, write] of bodies) {
    law(`keeps every byte but the model's: ${title}`, async ({ send, received }) => {
      const asked = JSON.stringify(name);
      const answer = await send({ body: write(asked, asked) });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(received[0]?.text, write(JSON.stringify(upstreamModel), asked));
    });
  }

  law("knows a model however its letters are escaped", async ({ send, received }) => {
    const escaped = Array.from(name, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
    const body = `{"model":"${escaped}"}`;
    const answer = await send({ body });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(received[0]?.text, upstreamModel === name ? body : `{"model":${JSON.stringify(upstreamModel)}}`);
  });

  law(
    "puts the name in for each attempt anew",
    async ({ send, received }) => {
      const answer = await send({ body: known });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(
        received.map(({ text }) => JSON.parse(text) as unknown),
        [{ model: upstreamModel }, { model: upstreamModel }],
      );
    },
    { targets: 2, drop: 1, retry: { nonIdempotent: true } },
  );

  for (const unknown of unknownTo(name)) {
    law(`does not know ${JSON.stringify(unknown)}`, async ({ send, received }) => {
      const answer = await send({ body: JSON.stringify({ model: unknown }) });
      assertError(answer, 404, "model_not_found");
      assert.ok(answer.text.includes(JSON.stringify(unknown).slice(1, -1)), `does not name the model: ${answer.text}`);
      assert.equal(received.length, 0, "it was sent to a target");
    });
  }

  for (const [code, title, write] of doubtful) {
    law(`refuses a body as ${code}: ${title}`, async ({ send, received }) => {
      assertError(await send({ body: write(JSON.stringify(name)) }), 400, code);
      assert.equal(received.length, 0, "it was sent to a target");
    });
  }

  law("refuses a JSON body that is compressed", async ({ send, received }) => {
    const answer = await send({ body: known, headers: { "content-encoding": "gzip" } });
    assertError(answer, 415, "unsupported_encoding");
    assert.equal(received.length, 0, "it was sent to a target");
  });

  law("does not look into the body of a GET", async ({ send }) => {
    const without = await send({ method: "GET" });
    for (const body of [known, '{"model":"no-such-model"}', '{"model":1', '{"model":"a","model":"b"}']) {
      assertSame(await send({ method: "GET", body }), without);
    }
  });

  law("does not look into a body that is not JSON", async ({ send }) => {
    for (const type of [
      "text/plain",
      "application/octet-stream",
      "multipart/form-data; boundary=x",
      "application/jsonx",
    ]) {
      const headers = { "content-type": type };
      const harmless = await send({ body: "x", headers });
      for (const body of ['{"model":"no-such-model"}', '{"model":1'])
        assertSame(await send({ body, headers }), harmless);
    }
  });

  law("knows a JSON body by its type, however that is written", async ({ send, received }) => {
    for (const type of ["application/json ; charset=utf-8", "application/JSON;x=y", "application/vnd.api+json"]) {
      assert.equal((await send({ body: known, headers: { "content-type": type } })).status, 200, type);
      assert.deepEqual(JSON.parse(received.pop()?.text ?? ""), { model: upstreamModel }, type);
    }
  });

  law("takes no nested model for the body's", async ({ send }) => {
    const without = await send({ body: "{}" });
    assert.ok(without.status === 200 || without.code === "route_not_found", without.text);
    for (const body of [`{"x":${known}}`, `[${known}]`, '{"x":{"model":"no-such-model"}}', '"model"', "1", ""]) {
      assertSame(await send({ body }), without);
    }
  });

  law("resolves each of many requests at once for itself", async ({ send, received }) => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => send({ body: i % 2 === 0 ? known : '{"model":"no-such-model"}' })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map((_, i) => (i % 2 === 0 ? 200 : 404)),
    );
    assert.ok(received.every(({ text }) => (JSON.parse(text) as { model: unknown }).model === upstreamModel));
  });

  law("follows the pool", async ({ send, targets, received }) => {
    assert.equal((await send({ body: known })).status, 200);
    targets.clear();
    const answer = await send({ body: known });
    assert.ok(answer.status === 404 || answer.status === 503, `answers ${answer.status} without a target`);
    assert.equal(received.length, 1);
    targets.restore();
    assert.equal((await send({ body: known })).status, 200, "does not see that the target is back");
  });

  law("does not hear of another instance", async ({ send, received }) => {
    await onStage(suite, async (other) => {
      await Promise.all([send({ body: known }), other.send({ body: known }), other.send({ body: known })]);
      assert.deepEqual([received.length, other.received.length], [1, 2]);
      other.targets.clear();
      await other.send({ body: known });
    });
    assert.equal((await send({ body: known })).status, 200, "closing one instance broke the other");
  });
}

/**
 * Bodies that a parser and a writer of JSON would not give back as they were. `name`: the model as a JSON string, the
 * client's or the upstream's; `asked`: always the client's.
 */
const bodies: readonly (readonly [title: string, write: (name: string, asked: string) => string])[] = [
  [
    "numbers that no float holds",
    (name) => `{"a":12345678901234567890,"b":1e400,"c":-0,"d":1.0,"model":${name},"e":1E2}`,
  ],
  ["white space and order", (name) => ` {\n\t"z" : 1 ,\r\n "model" : ${name} , "a" : 1 }\r\n `],
  ["escapes and characters beyond ASCII", (name) => `{"a":"\\u00e9é\\/\\ud83d\\ude00😀\\ud800","model":${name}}`],
  ["an escaped key", (name) => `{"mod\\u0065l":${name},"b":2}`],
  ["the same model twice", (name) => `{"model":${name},"a":1,"model":${name}}`],
  ["members that are dangerous to objects", (name) => `{"__proto__":{"a":1},"constructor":null,"model":${name}}`],
  [
    "the name in other places",
    (name, asked) => `{"user":${asked},"a":{"model":${asked}},"b":[${asked}],"model":${name}}`,
  ],
  ["64 KiB", (name) => `{"messages":[{"role":"user","content":"${"line\\n".repeat(11_000)}"}],"model":${name}}`],
  ["a byte order mark", (name) => `\ufeff{"model":${name}}`],
];

/** Bodies whose model is in doubt. */
const doubtful: readonly (readonly [code: string, title: string, write: (name: string) => string | Uint8Array])[] = [
  ["ambiguous_model", "two models", (name) => `{"model":${name},"model":"no-such-model"}`],
  [
    "ambiguous_model",
    "two models, one under an escaped key",
    (name) => `{"model":${name},"mod\\u0065l":"no-such-model"}`,
  ],
  ["invalid_model", "a number", () => '{"model":1}'],
  ["invalid_model", "null", () => '{"model":null}'],
  ["invalid_model", "a list", (name) => `{"model":[${name}]}`],
  ["invalid_model", "an empty model", () => '{"model":""}'],
  ["invalid_model", "a control character", () => '{"model":"a\\u0000b"}'],
  ["invalid_model", "a megabyte of model", () => `{"model":"${"m".repeat(1 << 20)}"}`],
  ["invalid_json", "a cut body", (name) => `{"model":${name},"messages":[{"role":"us`],
  ["invalid_json", "two bodies in one", (name) => `{"model":${name}}{"model":"no-such-model"}`],
  ["invalid_json", "a comment", (name) => `{"model":${name}/* "model":"no-such-model" */}`],
  ["invalid_json", "no JSON at all", () => "model=a"],
  ["invalid_json", "UTF-16", (name) => Buffer.from(`{"model":${name}}`, "utf16le")],
  [
    "invalid_json",
    "a hundred thousand brackets",
    (name) => `{"model":${name},"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
  ],
];

function unknownTo(name: string): string[] {
  const swapped = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  assert.notEqual(swapped, name, `the name "${name}" has no letter, so the suite cannot see whether case counts`);
  const near = [
    swapped,
    `${name} `,
    ` ${name}`,
    `${name}/${name}`,
    `/${name}`,
    `${name}/`,
    name.slice(0, -1) + "\u0430",
  ];
  return [
    ...near,
    "no-such-model",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "../x",
    "*",
    "模型",
    "\ud800",
    '<script>"',
  ];
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of the error, if it is one of the proxy's. */
  readonly code: string | undefined;
}

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A proxy with the resolver in it, and the upstream behind. */
interface Stage {
  send(request: Sent): Promise<Answer>;
  /** What the upstream was sent, in order. */
  readonly received: { readonly text: string }[];
  readonly targets: { clear(): void; restore(): void };
}

interface StageOptions {
  /** @default 1 */
  readonly targets?: number;
  /** Requests that the upstream answers by closing the connection. @default 0 */
  readonly drop?: number;
  readonly retry?: ProxyConfig["retry"];
}

async function onStage(
  suite: ResolverSuite,
  run: (stage: Stage) => Promise<void>,
  options: StageOptions = {},
): Promise<void> {
  const upstream = await openUpstream(options.drop ?? 0);
  const { discovery, targets } = targetsAt(upstream.url, options.targets ?? 1, suite.upstreamModel ?? suite.name);
  const first = defineSelector({ name: "suite-first", pick: (candidates) => candidates[0] });
  const plugins = [discovery, first(), ...(suite.others?.() ?? []), suite.create()];
  const proxy = await createProxy({ plugins, retry: options.retry });
  try {
    const { port } = await proxy.listen();
    await run({ send: (sent) => sendTo(port, sent), received: upstream.received, targets });
  } finally {
    await proxy.close({ deadline: 0 });
    upstream.close();
  }
}

function targetsAt(url: string, count: number, model: string): { discovery: Plugin; targets: Stage["targets"] } {
  const specs = Array.from({ length: count }, (_, i) => ({
    id: `suite-target-${i + 1}`,
    url,
    models: [model],
    labels: { provider: "suite" },
  }));
  let sink: DiscoverySink | undefined;
  const discovery = definePlugin({
    name: "suite-targets",
    setup(proxy) {
      proxy.provide("discovery", "suite-targets", {
        known: specs,
        start(given) {
          sink = given;
          sink.replace(specs);
        },
      });
    },
  });
  return {
    discovery: discovery(),
    targets: { clear: () => sink?.replace([]), restore: () => sink?.replace(specs) },
  };
}

async function openUpstream(drop: number): Promise<{ url: string; received: { text: string }[]; close(): void }> {
  const received: { text: string }[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      received.push({ text: Buffer.concat(chunks).toString() });
      if (received.length <= drop) req.socket.destroy();
      else res.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, close };
}

/** By hand, because fetch sends no body with a GET. */
async function sendTo(port: number, { method = "POST", headers = {}, body }: Sent): Promise<Answer> {
  const type =
    body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const req = request({
    host: "127.0.0.1",
    port,
    path: "/v1/chat/completions",
    method,
    headers: { ...type, ...headers },
    agent: false,
  });
  req.end(body);
  const [res] = (await once(req, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    text: Buffer.concat(chunks).toString(),
    code: res.headers["x-proxy-error"] as string | undefined,
  };
}

function assertError({ status, code, headers, text }: Answer, expected: number, expectedCode: string): void {
  assert.deepEqual({ status, code }, { status: expected, code: expectedCode }, text);
  assert.equal(headers["content-type"], "application/json");
  assert.equal((JSON.parse(text) as { error: { code: unknown } }).error.code, expectedCode);
}

function assertSame(answer: Answer, other: Answer): void {
  const { status, code } = other;
  assert.deepEqual({ status: answer.status, code: answer.code }, { status, code }, answer.text);
}
