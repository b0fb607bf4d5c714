import { createProxy } from "plugboard";
import { mockBackend } from "plugboard/plugins/mock/mock-backend";
import { expect, test } from "vitest";

const chat = { model: "mock", messages: [{ role: "user", content: "hello" }] };

function post(body: object): Request {
  return new Request("http://proxy/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

test("a request is answered without a port", async () => {
  const proxy = await createProxy({ plugins: [mockBackend({ backends: [{ models: ["mock"] }] })] });
  const response = await proxy.fetch(post(chat));
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ object: "chat.completion" });
  await proxy.close();
});

test("a stream arrives piece by piece, and what is under way is counted until it ends", async () => {
  const proxy = await createProxy({ plugins: [mockBackend({ backends: [{ models: ["mock"] }] })] });
  const response = await proxy.fetch(post({ ...chat, stream: true }));
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
  expect(proxy.status().active).toBe(0);
  await proxy.close();
});

test("a proxy that answered without a port closes at once", async () => {
  const proxy = await createProxy({ plugins: [] });
  expect((await proxy.fetch(new Request("http://proxy/x"))).status).toBe(503);
  await proxy.close({ deadline: 0 });
});
