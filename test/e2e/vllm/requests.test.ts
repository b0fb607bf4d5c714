import OpenAI from "openai";
import { describe, expect, test, vi } from "vitest";
import { collect } from "../collect.ts";
import { until } from "../fleet/stack.ts";
import { message } from "../../wire/messages.ts";
import { type RawResponse, rawClient } from "../../wire/raw-client.ts";
import { type Mlnode, openMlnode, rawEngine } from "./mlnode.ts";

vi.setConfig({ testTimeout: 60_000 });

async function text(url: string, init?: RequestInit): Promise<string> {
  const answer = await fetch(url, init);
  return `${answer.status} ${await answer.text()}`;
}

async function bytes(url: string, sent: string): Promise<RawResponse> {
  const client = await rawClient(Number(new URL(url).port));
  try {
    await client.send(sent);
    return await client.response(sent.slice(0, sent.indexOf(" ")));
  } finally {
    client.destroy();
  }
}

/** What the engine was sent. */
interface Echo {
  readonly method: string;
  readonly url: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** In hex. */
  readonly body: string;
}

async function openRaw(): Promise<Mlnode> {
  const node = await openMlnode({ env: { VLLM_PYTHON_PATH: rawEngine } });
  await node.start();
  await node.compatIs("open");
  return node;
}

describe("without an engine that answers", () => {
  const none = "503 No vLLM backend available";

  test.each([
    ["first", none, "503 vLLM backend not ready"],
    ["newer", none, none],
  ])("the texts are those of the %s version where that is asked for", async (version, empty, unready) => {
    const node = await openMlnode({ env: { PLAIN_ERRORS: version, STANDIN_LOAD_MS: "100000" } });
    expect(await text(`${node.url}/v1/models`)).toBe(empty);
    await node.up([], "/async");
    await until(async () => expect(await text(`${node.url}/v1/models`)).toBe(unready));
    await node.down();
    expect(await text(`${node.url}/v1/models`)).toBe(empty);
  });

  test("it is an error in the shape of the OpenAI API otherwise", async () => {
    const node = await openMlnode();
    const answer = await node.call("GET", "/v1/models");
    expect(answer).toMatchObject({
      status: 503,
      body: { error: { message: "No healthy services available", type: "server_error", code: "no_targets" } },
    });
  });

  test.each([
    ["first", "502 vLLM upstream failure"],
    ["newer", "502 vLLM connection failed"],
  ])("one that fails before it answers is told in the text of the %s version", async (version, expected) => {
    const node = await openMlnode({ env: { PLAIN_ERRORS: version, VLLM_PYTHON_PATH: rawEngine } });
    await node.start();
    expect(await text(`${node.url}/v1/reset`, { method: "POST", body: "x" })).toBe(expected);
  });
});

describe("on the port of the management", () => {
  test("/v1 and what is below it goes to the engines, and nothing else does", async () => {
    const node = await openRaw();
    for (const path of ["/v1", "/v1/", "/v1/models", "/v1?a"]) {
      expect((await node.call("GET", path)).body, path).toMatchObject({ url: path });
    }
    for (const path of ["/v1x", "/v1x/models", "/v2", "/", "/api/v1", "/api/v1/models", "/metrics"]) {
      expect(await node.call("GET", path), path).toEqual({ status: 404, body: { detail: "Not Found" } });
    }
  });

  test("what is local is answered also while no engine runs", async () => {
    const node = await openMlnode();
    for (const path of ["/api/v1/state", "/api/v1/inference/up/status", "/health"]) {
      expect((await node.call("GET", path)).status, path).toBe(200);
    }
    expect(await text(`${node.url}/docs`)).toMatch(/^200 # /);
  });
});

describe("what is sent on", () => {
  const paths = ["/v1/a?b=c&b=d%20e&f", "/v1/models?", "/v1/a%20b/?x=/../y", "/v1//a"];

  test.each(["url", "compat"] as const)("has its path and query as they came, by the %s", async (port) => {
    const node = await openRaw();
    for (const path of paths) {
      const { text: body } = await bytes(node[port], message([`GET ${path} HTTP/1.1`, "Host: node.test"]));
      expect((JSON.parse(body) as Echo).url).toBe(path);
    }
  });

  test("has the client's headers but those of its connection, and the engine as its host", async () => {
    const node = await openRaw();
    const sent = [
      "POST /v1/x HTTP/1.1",
      "Host: node.test",
      "Authorization: Bearer key",
      "X-Custom: one",
      "x-custom: two",
      "Connection: keep-alive, x-hop",
      "X-Hop: gone",
      "Keep-Alive: timeout=5",
      "TE: trailers",
      "Content-Length: 5",
    ];
    const { headers, body } = JSON.parse((await bytes(node.url, message(sent, "h\x00\xfell"))).text) as Echo;
    const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name.toLowerCase()}: ${headers[i + 1]}`] : []));
    expect(body).toBe("6800fe6c6c");
    expect(pairs).toContain(`host: 127.0.0.1:${node.compatPort + 1}`);
    for (const kept of ["authorization: Bearer key", "x-custom: one", "x-custom: two", "content-length: 5"])
      expect(pairs).toContain(kept);
    for (const gone of ["x-hop", "keep-alive"]) expect(pairs.join("\n")).not.toMatch(new RegExp(`^${gone}:`, "mu"));
  });

  test("may be of unknown length", async () => {
    const node = await openRaw();
    const chunked = ["POST /v1/x HTTP/1.1", "Host: node.test", "Transfer-Encoding: chunked"];
    const answer = await bytes(node.url, message(chunked, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    expect(JSON.parse(answer.text)).toMatchObject({ body: "6162636465" });
  });

  test("is answered with the engine's status and its body as it is, unpacked by nobody", async () => {
    const node = await openRaw();
    const answer = await bytes(node.url, message(["GET /v1/packed HTTP/1.1", "Host: node.test"]));
    expect(answer.status).toBe(203);
    expect(answer.body.subarray(0, 2).toString("hex")).toBe("1f8b");
    const names = answer.headers.map(([name]) => name.toLowerCase());
    expect(names).toContain("content-encoding");
    expect(names).not.toContain("x-hop");
    expect(answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n")).not.toContain("timeout=7");
  });
});

describe("the OpenAI SDK", () => {
  test.each(["url", "compat"] as const)("chats and streams by the %s", async (port) => {
    const node = await openMlnode();
    await node.start();
    await node.compatIs("open");
    const client = new OpenAI({ baseURL: `${node[port]}/v1`, apiKey: "none", maxRetries: 0 });
    expect((await collect(await client.models.list())).map(({ id }) => id)).toEqual(["some/model"]);
    const asked = { model: "some/model", messages: [{ role: "user" as const, content: "hello you" }] };
    const whole = await client.chat.completions.create(asked);
    expect(whole.choices[0]?.message.content).toBe("You said: hello you");
    const pieces = await collect(await client.chat.completions.create({ ...asked, stream: true }));
    expect(pieces.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("You said: hello you");
  });

  test("is told the status when no engine runs", async () => {
    const node = await openMlnode();
    const client = new OpenAI({ baseURL: `${node.url}/v1`, apiKey: "none", maxRetries: 0 });
    await expect(client.models.list()).rejects.toMatchObject({ status: 503, code: "no_targets" });
  });
});
