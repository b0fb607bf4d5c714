import { expect, test } from "vitest";
import { hello, post, readRaw, start } from "./backend.ts";

const path = "/v1/chat/completions";

test("faults answer with the status asked for, by header or by option", async () => {
  const backend = await start();
  const response = await post(backend, path, hello, { "x-mock-status": "503" });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    error: { type: "server_error", code: "mock_fault" },
  });
  backend.fault = { status: 429 };
  expect((await post(backend, path, hello)).status).toBe(429);
  backend.fault = {};
  expect((await post(backend, path, hello)).status).toBe(200);
});

test.each([0, 1, 3, 9])("faults break a stream after %i chunks that do reach the client", async (cutAfter) => {
  const backend = await start({ tokens: 20 });
  for (let round = 0; round < 20; round++) {
    const { chunks, complete } = await readRaw(
      backend,
      { ...hello, stream: true },
      { "x-mock-cut-after": String(cutAfter) },
    );
    expect(chunks).toBe(cutAfter);
    expect(complete).toBe(false);
  }
});

test("faults break a stream between slow chunks", async () => {
  const backend = await start({ tokens: 20, chunkInterval: 1, fault: { cutAfter: 4 } });
  expect(await readRaw(backend, { ...hello, stream: true })).toMatchObject({
    status: 200,
    chunks: 4,
    complete: false,
  });
});

test("faults break a plain answer in its middle", async () => {
  const result = await readRaw(await start({ fault: { cutAfter: 1 } }), hello);
  expect(result).toMatchObject({ status: 200, complete: false });
  expect(result.text.length).toBe(Math.floor(Number(result.length) / 2));
});

test("faults break before the head", async () => {
  expect(await readRaw(await start({ fault: { cutAfter: 0 } }), hello)).toEqual({
    status: 0,
    text: "",
    length: undefined,
    chunks: 0,
    complete: false,
  });
});

test("faults delay the first byte as the header says", async () => {
  const backend = await start({ latency: 60_000 });
  const response = await post(backend, path, hello, { "x-mock-delay": "1" });
  expect(response.status).toBe(200);
});

test.each([
  ["x-mock-status", "200"],
  ["x-mock-status", "oops"],
  ["x-mock-cut-after", "-1"],
  ["x-mock-delay", "1e9"],
])("faults that are misspelt are a 400: %s: %s", async (name, value) => {
  const response = await post(await start(), path, hello, { [name]: value });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(name);
});
