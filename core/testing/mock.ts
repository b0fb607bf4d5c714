import assert from "node:assert/strict";
import type { Plugin } from "../plugin.ts";
import {
  countServers,
  isClosedSoon,
  isListening,
  json,
  type Mocked,
  startInCheckMode,
  withMock,
} from "./mock-proxy.ts";
import type { Test } from "./plugin.ts";

export interface MockSuite {
  readonly test: Test;
  /** A new plugin for each case: with a model, quick, in the default pool. */
  readonly create: () => Plugin;
}

interface ChatAnswer {
  readonly object: string;
  readonly model: string;
  readonly choices: readonly {
    readonly message: { readonly role: string; readonly content: string };
    readonly finish_reason: string;
  }[];
  readonly usage: Usage;
}

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

interface ChatChunk {
  readonly object: string;
  readonly choices: readonly {
    readonly delta: { readonly role?: string; readonly content?: string };
    readonly finish_reason: string | null;
  }[];
  readonly usage?: Usage | null;
}

const messages = [{ role: "user", content: "Say the word plugboard." }];

/**
 * Tests the laws that hold for every plugin that runs mock upstreams: what it serves through a proxy, and what it closes.
 *
 * @example
 * testMock({ test, create: () => mockBackend() });
 */
export function testMock({ test, create }: MockSuite): void {
  const mocked = (name: string, law: (mock: Mocked) => Promise<void>): unknown =>
    test(name, () => withMock(create, law));

  mocked("answers a chat completion in OpenAI's shape, the same request in the same way", async ({ model, post }) => {
    const ask = async (): Promise<ChatAnswer> => json(await post("/v1/chat/completions", { model, messages }), 200);
    const answer = await ask();
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.model, model);
    assert.equal(answer.choices[0]?.message.role, "assistant");
    assert.match(answer.choices[0].message.content, /\S/);
    assert.match(answer.choices[0].finish_reason, /^(stop|length)$/);
    assertUsage(answer.usage);
    assert.deepEqual((await ask()).choices, answer.choices);
  });

  mocked("streams the same answer as server-sent events", async ({ model, post }) => {
    const whole = await json<ChatAnswer>(await post("/v1/chat/completions", { model, messages }), 200);
    const request = { model, messages, stream: true, stream_options: { include_usage: true } };
    const response = await post("/v1/chat/completions", request);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream\b/);
    const events = (await response.text()).split("\n\n");
    assert.deepEqual(events.slice(-2), ["data: [DONE]", ""]);
    const chunks: ChatChunk[] = events.slice(0, -2).map((event) => JSON.parse(event.replace(/^data: /, "")));
    assert.ok(
      chunks.every((chunk) => chunk.object === "chat.completion.chunk"),
      "object: chat.completion.chunk",
    );
    assert.equal(chunks[0]?.choices[0]?.delta.role, "assistant");
    const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    assert.equal(said, whole.choices[0]?.message.content);
    const finished = chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? []);
    assert.deepEqual(finished, [whole.choices[0]?.finish_reason]);
    assert.deepEqual(chunks.at(-1)?.choices, []);
    assert.deepEqual(chunks.at(-1)?.usage, whole.usage);
  });

  mocked("streams no usage to those who did not ask for it", async ({ model, post }) => {
    const text = await (await post("/v1/chat/completions", { model, messages, stream: true })).text();
    assert.doesNotMatch(text, /"usage"/);
  });

  mocked("gives the same embeddings as numbers and in base64", async ({ model, post }) => {
    const ask = async <T>(format: string): Promise<readonly T[]> => {
      const request = { model, input: ["one", "two"], encoding_format: format };
      const list = await json<{ data: { embedding: T }[] }>(await post("/v1/embeddings", request), 200);
      return list.data.map((entry) => entry.embedding);
    };
    const [one = [], two] = await ask<readonly number[]>("float");
    assert.ok(one.length > 0 && one.every(Number.isFinite), "a vector of numbers");
    assert.notDeepEqual(one, two);
    assert.deepEqual((await ask<string>("base64")).map(fromBase64), [one, two]);
  });

  mocked("lists its models, and is well", async ({ get }) => {
    const list = await json<{ object: string; data: { id: string; object: string }[] }>(await get("/v1/models"), 200);
    assert.equal(list.object, "list");
    assert.ok(
      list.data.every((entry) => entry.object === "model" && entry.id !== ""),
      "objects of models",
    );
    assert.equal(typeof (await json(await get("/health"), 200)), "object");
  });

  mocked("refuses what it cannot answer, in OpenAI's error shape", async ({ model, post }) => {
    const assertRefusal = async (body: object | string, status: number): Promise<void> => {
      const { error } = await json<{ error?: { message: string; type: string } }>(
        await post("/v1/chat/completions", body),
        status,
      );
      assert.equal(typeof error?.message, "string");
      assert.equal(error?.type, "invalid_request_error");
    };
    await assertRefusal('{"model":', 400);
    await assertRefusal({ model }, 400);
    await assertRefusal({ model: "no-such-model", messages }, 404);
  });

  mocked("keeps its target ids over a reload, and closes the old backends", async (mock) => {
    const before = mock.targets();
    await mock.proxy.reload();
    assert.deepEqual(
      mock.targets().map(({ id }) => id),
      before.map(({ id }) => id),
    );
    assert.equal((await mock.get("/v1/models")).status, 200);
    for (const { origin } of before) assert.ok(await isClosedSoon(origin), `${origin} is still open`);
  });

  test("leaves no port open after the proxy closed, and closes twice", async () => {
    const origins: string[] = [];
    await withMock(create, async ({ proxy, targets }) => {
      origins.push(...targets().map(({ origin }) => origin));
      for (const origin of origins) assert.ok(await isListening(origin), `${origin} is not open while the proxy runs`);
      await proxy.close({ deadline: 0 });
    });
    for (const origin of origins) assert.ok(!(await isListening(origin)), `${origin} is still open`);
  });

  test("serves two proxies at once, each with backends of its own", () =>
    withMock(create, (one) =>
      withMock(create, async (two) => {
        const shared = one.targets().filter(({ origin }) => two.targets().some((other) => other.origin === origin));
        assert.deepEqual(shared, []);
        await two.proxy.close({ deadline: 0 });
        await json(await one.post("/v1/chat/completions", { model: one.model, messages }), 200);
      }),
    ));

  test("names its targets and opens no socket in mode check", async () => {
    const before = countServers();
    const specs = await startInCheckMode(create());
    assert.ok(countServers() <= before, "a server is listening");
    assert.ok(specs.length > 0, "no target was named");
    assert.ok(
      specs.every(({ id, url }) => id !== undefined && URL.canParse(url)),
      "targets need ids and valid urls",
    );
  });
}

function assertUsage({ prompt_tokens: prompt, completion_tokens: completion, total_tokens: total }: Usage): void {
  assert.ok(prompt > 0 && completion > 0, "usage counts tokens");
  assert.equal(total, prompt + completion);
}

function fromBase64(text: string): number[] {
  const bytes = Buffer.from(text, "base64");
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
}
