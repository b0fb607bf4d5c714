import { expect, test, vi } from "vitest";
import { until } from "../fleet/stack.ts";
import { message } from "../../wire/messages.ts";
import { rawClient } from "../../wire/raw-client.ts";
import { freeRow, hold, openMlnode, rawEngine, stream } from "./mlnode.ts";

vi.setConfig({ testTimeout: 60_000 });

test("opens when the first engine is healthy and closes when none is left, three times", async () => {
  const node = await openMlnode({ devices: 2, env: { STAGGER_SEC: "1000" } });
  await node.compatIs("closed");
  for (let cycle = 0; cycle < 3; cycle++) {
    await node.start();
    await node.compatIs("open");
    await node.down();
    await node.compatIs("closed");
  }
  const told = node.lines.filter((line) => line.includes("listener compat"));
  expect(told).toHaveLength(6);
});

test("closes when the only engine is not healthy any more, and opens again with it, three times", async () => {
  const node = await openMlnode();
  await node.start();
  const [engine] = await node.engines();
  for (let cycle = 0; cycle < 3; cycle++) {
    await node.compatIs("open");
    process.kill(engine?.pid ?? 0, "SIGSTOP");
    await node.compatIs("closed");
    process.kill(engine?.pid ?? 0, "SIGCONT");
  }
  await node.compatIs("open");
});

test("stays open while any engine is healthy", async () => {
  const node = await openMlnode({ devices: 2 });
  await node.start();
  await node.takes(2);
  const [first] = await node.engines();
  process.kill(first?.pid ?? 0, "SIGSTOP");
  await node.takes(1);
  await node.compatIs("open");
  process.kill(first?.pid ?? 0, "SIGCONT");
  await node.takes(2);
});

test("that finds its port busy warns, and has it when it is free", async () => {
  const port = await freeRow(2);
  const release = await hold(port);
  const node = await openMlnode({ port });
  await node.start();
  await until(() =>
    expect(node.lines.join("\n")).toContain(`listener compat: port ${port} is in use; it is tried again`),
  );
  expect((await node.call("GET", "/v1/models")).status).toBe(200);
  await release();
  await node.compatIs("open");
});

test("sends every path to the engines, by every method", async () => {
  const node = await openMlnode({ env: { VLLM_PYTHON_PATH: rawEngine } });
  await node.start();
  await node.compatIs("open");
  for (const path of ["/", "/metrics", "/api/v1/state", "/docs", "/v1x"]) {
    expect(await (await fetch(node.compat + path)).json(), path).toMatchObject({ url: path });
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    expect(await (await fetch(`${node.compat}/x`, { method })).json()).toMatchObject({ method, url: "/x" });
  }
  const head = await fetch(`${node.compat}/health`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("a request target without its slash is refused", async () => {
  const node = await openMlnode();
  await node.start();
  await node.compatIs("open");
  const client = await rawClient(node.compatPort);
  await client.send(message(["GET v1/models HTTP/1.1", "Host: node.test"]));
  expect((await client.response()).status).toBe(400);
  client.destroy();
});

test.each([
  ["POST", "/api/v1/inference/down"],
  ["POST", "//api/v1/inference/down"],
  ["POST", "/api/v1/inference/down/"],
  ["POST", "/v1/../api/v1/inference/down"],
  ["POST", "/%61pi/v1/inference/down"],
  ["POST", "MAIN/api/v1/inference/down"],
])("leads to no management: %s %s", async (method, path) => {
  const node = await openMlnode();
  await node.start();
  await node.compatIs("open");
  const client = await rawClient(node.compatPort);
  const lines = [`${method} ${path.replace("MAIN", node.url)} HTTP/1.1`, `Host: ${new URL(node.url).host}`];
  await client.send(message([...lines, "Content-Length: 0"]));
  const { status, headers } = await client.response();
  client.destroy();
  // From the engine, which has no such path, or refused.
  const fromEngine = headers.some(([name]) => name.toLowerCase() === "x-stand-in-pid");
  expect(fromEngine || status === 400).toBe(true);
  expect([404, 400]).toContain(status);
  expect(await node.status()).toMatchObject({ is_running: true });
});

test("lets a stream end that is under way when it closes", async () => {
  const node = await openMlnode({ env: { STANDIN_TOKEN_MS: "10", DRAIN_SEC: "30" } });
  await node.start();
  await node.compatIs("open");
  const under = await stream(node.compat, 200);
  const [engine] = await node.engines();
  process.kill(engine?.pid ?? 0, "SIGSTOP");
  await node.compatIs("closed");
  process.kill(engine?.pid ?? 0, "SIGCONT");
  const { text, whole } = await under.rest;
  expect([whole, text.endsWith("data: [DONE]\n\n")]).toEqual([true, true]);
});
