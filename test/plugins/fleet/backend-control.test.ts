import { request } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { openBackend, openStranger, reaches, scripted, started } from "./backend-rig.ts";

test("/health is 200 only while the backend is ready", async () => {
  const backend = await openBackend(scripted(["--delay", "100"]));
  const before = await eventuallyAnswers(() => backend.control("/health"));
  expect(before.status).toBe(503);
  expect(await before.json()).toMatchObject({ status: "unhealthy", infinilm_server_port: null, state: "stopped" });
  backend.start();
  await reaches(backend, "ready");
  const after = await backend.control("/health");
  expect(after.status).toBe(200);
  expect(await after.json()).toEqual({
    status: "healthy",
    service: "child",
    babysitter: "enhanced",
    infinilm_server_running: true,
    infinilm_server_port: backend.status.port,
    timestamp: expect.any(String),
    state: "ready",
    reason: "",
    since: expect.any(String),
    restarts: 0,
  });
  await fetch(backend.url("/mode?to=fail"));
  await reaches(backend, "unready");
  expect((await backend.control("/health")).status).toBe(503);
});

test("/models are those of the backend, and an error while it is not ready", async () => {
  const backend = await openBackend(scripted(["--models", "a"]));
  const before = await eventuallyAnswers(() => backend.control("/models"));
  expect(before.status).toBe(503);
  expect(await before.json()).toEqual({ error: "the backend is not ready: stopped: not started yet" });
  backend.start();
  await reaches(backend, "ready");
  const data = [{ id: "a", object: "model", owned_by: "child" }];
  expect(await (await backend.control("/models")).json()).toEqual({ object: "list", data });
});

test("/info tells what runs, and what it wrote last", async () => {
  const backend = await started(scripted(["--say", "hello\\n"], { type: "vLLM" }));
  await eventually(async () => expect(await backend.output()).toEqual(["hello"]));
  const { port, pid } = backend.status;
  expect(await (await backend.control("/info")).json()).toEqual({
    name: "child",
    host: "localhost",
    port: port + 1,
    url: `http://localhost:${port + 1}`,
    service_type: "vLLM",
    infinilm_server_port: port,
    uptime: expect.any(Number),
    restart_count: 0,
    state: "ready",
    reason: "",
    since: expect.any(String),
    server_port: port,
    pid,
    output: ["hello"],
  });
});

test("what it wrote is not told to a page that reaches it by a name of its own", async () => {
  const backend = await started(scripted(["--say", "hello\\n"]));
  const body = await new Promise<string>((resolve, reject) => {
    const headers = { host: "rebound.example" };
    request(backend.url("/info", backend.status.port + 1), { headers }, (res) => void text(res).then(resolve, reject))
      .on("error", reject)
      .end();
  });
  expect(JSON.parse(body)).toMatchObject({ name: "child" });
  expect(body).not.toContain("output");
});

test("anything else is an error in JSON", async () => {
  const backend = await started(scripted());
  const unknown = await backend.control("/nothing");
  expect([unknown.status, await unknown.json()]).toEqual([404, { error: expect.any(String) }]);
  const posted = await fetch(backend.url("/health", backend.status.port + 1), { method: "POST", body: "x" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("a control port that is taken is told once and served when it is free", async () => {
  const stranger = await openStranger();
  const backend = await openBackend(scripted([], { control: stranger.port }));
  backend.start();
  await reaches(backend, "ready");
  expect(backend.lines.filter((line) => line.includes(`control port ${stranger.port}`))).toHaveLength(1);
  await stranger.close();
  await eventually(async () => {
    expect((await fetch(`http://127.0.0.1:${stranger.port}/health`)).status).toBe(200);
  });
});

test("without a control port nothing listens", async () => {
  const backend = await started(scripted([], { control: false }));
  await expect(backend.control("/health")).rejects.toThrow();
});

/** It listens in the next turn of the event loop. */
async function eventuallyAnswers(ask: () => Promise<Response>): Promise<Response> {
  let answer: Response | undefined;
  await eventually(async () => {
    answer = await ask();
  });
  return answer as Response;
}
