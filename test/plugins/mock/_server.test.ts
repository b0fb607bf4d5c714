import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, request } from "node:http";
import { expect, test, vi } from "vitest";
import { clientOf, collect, hello, post, start } from "./backend.ts";

test("health is 200, and 503 while the backend is said to be unhealthy", async () => {
  const backend = await start();
  expect((await fetch(`${backend.url}/health?probe=1`)).status).toBe(200);
  backend.healthy = false;
  const response = await fetch(`${backend.url}/health`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: "unhealthy", backend: "m1" });
});

test("health answers a HEAD probe without a body", async () => {
  const response = await fetch(`${(await start()).url}/health`, { method: "HEAD" });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("");
});

test("the server keeps idle connections longer than the proxy does", async () => {
  const backend = await start();
  const agent = new Agent({ keepAlive: true });
  const res = await new Promise<IncomingMessage>((resolve) => {
    get(`${backend.url}/health`, { agent }, resolve);
  });
  agent.destroy();
  expect(Number(/timeout=(\d+)/.exec(String(res.headers["keep-alive"]))?.[1])).toBeGreaterThan(4);
});

test("the server closes in the middle of streams, twice, and frees its port", async () => {
  const backend = await start({ chunkInterval: 60_000 });
  const stream = await clientOf(backend).chat.completions.create({ ...hello, stream: true });
  const read = expect(collect(stream)).rejects.toThrow();
  await Promise.all([backend.close(), backend.close()]);
  await read;
  await vi.waitFor(() => expect(backend.active).toBe(0));
  const again = createServer().listen(Number(new URL(backend.url).port), "127.0.0.1");
  await once(again, "listening");
  again.close();
});

test("the server lives through a client that breaks off in the middle of its request", async () => {
  const backend = await start();
  const req = request(`${backend.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-length": 1000 },
  });
  req.on("error", () => {});
  req.write('{"model":');
  await vi.waitFor(() => expect(backend.active).toBe(1));
  req.destroy();
  await vi.waitFor(() => expect(backend.active).toBe(0));
  expect((await post(backend, "/v1/chat/completions", hello)).status).toBe(200);
});
