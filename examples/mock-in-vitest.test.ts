// Tests an app that calls a model, with plugboard inside the test instead of one. Run it: npx vitest run examples/mock-in-vitest
import OpenAI from "openai";
import { createProxy } from "plugboard";
import { alias, mockBackend } from "plugboard/plugins";
import { afterAll, expect, test } from "vitest";

const proxy = await createProxy({
  plugins: [
    mockBackend({ backends: [{ id: "fake-gpu", models: ["qwen3-8b"], chunkInterval: 1 }] }),
    alias({ fast: { targets: [{ model: "qwen3-8b" }] } }),
  ],
});
const { url } = await proxy.listen();
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

afterAll(() => proxy.close());

/** What is tested: a piece of an app. */
async function ask(content: string, headers: Record<string, string> = {}): Promise<string> {
  const messages = [{ role: "user" as const, content }];
  const stream = client.chat.completions.stream({ model: "fast", messages }, { headers });
  return (await stream.finalMessage()).content ?? "";
}

test("the app gets the whole answer", async () => {
  expect(await ask("ping")).toBe("[fake-gpu] You said: ping");
});

test("the app does not take half an answer for a whole one", async () => {
  await expect(ask("ping", { "x-mock-cut-after": "3" })).rejects.toThrow();
});
