import { expect, onTestFinished, test } from "vitest";
import { createProxy, type Proxy, type ProxyConfig } from "plugboard";
import { type MockBackendOptions, mockBackend } from "plugboard/plugins/mock/mock-backend";
import { testMock, testPlugin } from "plugboard/testing";
import { clientOf, collect } from "./backend.ts";

testMock({ test, create: () => mockBackend() });

testPlugin({
  test,
  create: () => mockBackend({ backends: [{ models: ["small"] }, { weight: 2 }] }),
  badOptions: [
    { options: { backends: [] }, says: "backends" },
    { options: { backends: [{ latency: -1 }] }, says: "backends.0.latency" },
    { options: { backends: [{ models: [""] }] }, says: "backends.0.models.0" },
    { options: { backends: [{ id: "a\r\nb" }] }, says: "backends.0.id" },
    { options: { backends: [{ fault: { status: 200 } }] }, says: "backends.0.fault.status" },
    {
      options: { backends: [{ id: "a" }, { id: "a" }] },
      says: "backends: Expected each backend to have an id",
    },
    { options: { backends: [{ id: "mock-2" }, {}] }, says: "an id of its own" },
    { options: { backends: [{ tokens: 1e9 }] }, says: "backends.0.tokens" },
    { options: { backends: [{ chunkInterval: Infinity }] }, says: "backends.0.chunkInterval" },
    { options: { pool: "" }, says: "pool" },
  ],
});

async function start(config: ProxyConfig | (() => ProxyConfig)): Promise<Proxy> {
  const proxy = await createProxy(config);
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return proxy;
}

async function targetsOf(...options: MockBackendOptions[]): Promise<Record<string, readonly unknown[]>> {
  const proxy = await start({ plugins: [options.map((option) => mockBackend(option))] });
  const entries = proxy.pools().map(({ name, snapshot }) => {
    const targets = snapshot.all.map(({ id, weight, models, labels }) => ({
      id,
      weight,
      models,
      labels,
    }));
    return [name, targets] as const;
  });
  return Object.fromEntries(entries);
}

test("names backends by their place, and by their pool outside of the default one", async () => {
  const plain = { weight: 1, models: ["mock-model"], labels: {} };
  expect(await targetsOf({ backends: [{}, { id: "own" }, {}] }, { pool: "chat" })).toEqual({
    default: [
      { ...plain, id: "mock-1" },
      { ...plain, id: "own" },
      { ...plain, id: "mock-3" },
    ],
    chat: [{ ...plain, id: "chat-1" }],
  });
});

test("gives weight, models and labels to the targets", async () => {
  const backend = { weight: 3, models: ["small", "large"], labels: { zone: "a" } };
  expect((await targetsOf({ backends: [backend] })).default).toEqual([{ ...backend, id: "mock-1" }]);
});

test("refuses two lists for one pool, naming both", async () => {
  const twice = createProxy({ plugins: [mockBackend(), mockBackend()] });
  await expect(twice).rejects.toThrow(/mock-backend default.*provided twice/);
});

test("answers the openai SDK through the proxy, each backend in turn", async () => {
  const proxy = await start({ plugins: [mockBackend({ backends: [{}, {}, {}] })] });
  const client = clientOf(await proxy.listen());
  const request = { model: "mock-model", messages: [{ role: "user" as const, content: "hi" }] };
  const said = new Set<string | null | undefined>();
  for (let round = 0; round < 6; round++) {
    const chunks = await collect(await client.chat.completions.create({ ...request, stream: true }));
    said.add(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""));
  }
  expect(said).toEqual(new Set(["[mock-1] You said: hi", "[mock-2] You said: hi", "[mock-3] You said: hi"]));
});

test("lets a stream of a replaced generation end whole", async () => {
  const proxy = await start(() => ({
    plugins: [mockBackend({ backends: [{ tokens: 20, chunkInterval: 2 }] })],
  }));
  const client = clientOf(await proxy.listen());
  const request = { model: "mock-model", messages: [{ role: "user" as const, content: "hi" }] };
  const stream = await client.chat.completions.create({ ...request, stream: true });
  await proxy.reload();
  const chunks = await collect(stream);
  expect(chunks).toHaveLength(22);
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("stop");
});

test("is explained without a socket of its own", async () => {
  const proxy = await start({ plugins: [mockBackend({ backends: [{ id: "a" }, { id: "b" }] })] });
  const { attempts } = await proxy.explain({
    method: "POST",
    path: "/v1/chat/completions",
    body: '{"model":"mock-model"}',
  });
  expect(attempts.toSorted()).toEqual(["a", "b"]);
});
