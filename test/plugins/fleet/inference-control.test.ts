import { describe, expect, test, vi } from "vitest";
import { createProxy } from "plugboard";
import { testPlugin } from "plugboard/testing";
import { inferenceControl } from "../../../plugins/fleet/inference-control.ts";
import { findFreePort } from "../../../plugins/fleet/_ready-port.ts";
import { eventually } from "../../e2e/eventually.ts";
import { freePair } from "../../e2e/fleet/stack.ts";
import { runs } from "./backend-rig.ts";
import { config, heal, openControl, quick, reaches, self, starting, tell } from "./inference-rig.ts";

// Each starts processes, and a busy machine takes its time for that.
vi.setConfig({ testTimeout: 20_000 });

testPlugin({
  test,
  create: () => inferenceControl(quick),
  badOptions: [
    { options: { prefix: "api/" }, says: "prefix: Expected a path such as /api/v1" },
    { options: { command: [] }, says: "command.0: " },
    { options: { command: "vllm serve" }, says: "command: " },
    { options: { gpus: "all" }, says: 'gpus: Expected a number of devices, or "auto"' },
    { options: { gpus: -1 }, says: "gpus: " },
    { options: { port: 65_500 }, says: "There are not as many ports after port as maxInstances says" },
    { options: { stop: { signal: "SIGKILL" } }, says: 'stop.signal: Expected "SIGTERM" or "SIGINT"' },
    { options: { ready: { deadline: 0 } }, says: "ready.deadline: Expected 1 or more" },
    { options: { clients: "all" }, says: 'clients: Expected "loopback" or "any"' },
    { options: { token: "short" }, says: "token: Expected 16 characters or more" },
  ],
});

test("without options it is a plugin that runs nothing", async () => {
  const proxy = await createProxy({ plugins: [inferenceControl()] }, { mode: "check" });
  await proxy.close();
});

test("up starts the program with the model and the arguments of the request, and answers when it is ready", async () => {
  const control = await openControl();
  const odd = ["--chat-template", "two words; $HOME {port}", "--tensor_parallel_size=1"];
  expect(await control.up([], odd)).toEqual({ status: 200, body: { status: "OK" } });
  const { args, port } = await self(control);
  expect(args).toEqual(["serve", "some/model", "--dtype", "auto", "--host", "127.0.0.1", "--port", port, ...odd]);
  expect(control.proxy.pools()[0]?.snapshot.available[0]?.models).toEqual(["some/model"]);
});

test("words in braces that the request brings are not filled in", async () => {
  const control = await openControl();
  await control.call("POST", "/api/v1/inference/up", { model: "{port}", dtype: "{host}" });
  expect((await self(control)).args.slice(1, 4)).toEqual(["{port}", "--dtype", "{host}"]);
});

test("instances are devices / (tensor x pipeline), each with its share and the next port", async () => {
  const port = (await freePair()) - 1;
  const control = await openControl({ gpus: 5, port });
  await control.up([], ["--tensor-parallel-size", "2", "-pp=1"]);
  await eventually(() => control.takes(2));
  expect(await control.engines()).toMatchObject([
    { name: "inference-1", port: port + 1, devices: ["0", "1"], state: "ready" },
    { name: "inference-2", port: port + 2, devices: ["2", "3"], state: "ready" },
  ]);
  const seen = new Set([(await self(control)).device, (await self(control)).device, (await self(control)).device]);
  expect([...seen].every((device) => ["0,1", "2,3"].includes(device))).toBe(true);
});

test("there are never more instances than maxInstances", async () => {
  const control = await openControl({ gpus: 8, maxInstances: 2 });
  await control.up();
  expect((await control.engines()).map(({ devices }) => devices)).toEqual([["0"], ["1"]]);
});

test("without devices there is one instance, which is told of none", async () => {
  const control = await openControl({ gpus: 0 });
  await control.up();
  expect((await control.engines()).map(({ devices }) => devices)).toEqual([[]]);
  expect((await self(control)).device).toBe(process.env["CUDA_VISIBLE_DEVICES"] ?? "none");
});

test("up answers when any instance is ready, and the others follow", async () => {
  const control = await openControl({ gpus: 2 });
  expect((await control.up(["unhealthy@1"])).status).toBe(200);
  control.takes(1);
  await heal(control, 1, 2);
});

test("instances are started one after the other", async () => {
  const control = await openControl({ gpus: 2, stagger: 2_000_000 });
  await control.up();
  expect(await control.engines()).toMatchObject([{ state: "ready" }, { state: "stopped", pid: undefined }]);
  expect((await control.down()).status).toBe(200);
});

test("an instance that ends when the start is over is started again", async () => {
  const control = await openControl();
  await control.up();
  const [first] = await control.engines();
  await tell(first as NonNullable<typeof first>, "/die");
  await eventually(async () => expect(await control.engines()).toMatchObject([{ state: "ready", restarts: 1 }]));
  expect((await control.engines())[0]?.pid).not.toBe(first?.pid);
  expect(await control.status()).toMatchObject({ status: "completed", is_running: true });
});

test("down stops, also when nothing runs, and up works again after it, any number of times", async () => {
  const control = await openControl();
  for (let cycle = 0; cycle < 3; cycle++) {
    expect((await control.up()).status).toBe(200);
    const { pid } = await self(control);
    expect(await control.down()).toEqual({ status: 200, body: { status: "OK" } });
    expect(runs(pid)).toBe(false);
    expect(control.proxy.pools()[0]?.snapshot.all).toEqual([]);
  }
  expect(await control.down()).toEqual({ status: 200, body: { status: "OK" } });
});

test("a setup with fewer instances leaves nothing of the larger one behind", async () => {
  const control = await openControl({ gpus: 3 });
  await control.up();
  await eventually(() => control.takes(3));
  await control.down();
  await control.up([], ["-tp", "3"]);
  expect(control.proxy.pools()[0]?.snapshot.all.map(({ id }) => id)).toEqual(["inference-1"]);
  for (let turn = 0; turn < 5; turn++) expect((await self(control)).device).toBe("0,1,2");
});

describe("state", () => {
  test("is INFERENCE from up to down, and stop is down by another name", async () => {
    const control = await openControl();
    const state = async () => (await control.call("GET", "/api/v1/state")).body;
    expect(await state()).toEqual({ state: "STOPPED" });
    await control.up();
    expect(await state()).toEqual({ state: "INFERENCE" });
    expect(await control.call("POST", "/api/v1/stop")).toEqual({ status: 200, body: { status: "OK" } });
    expect(await state()).toEqual({ state: "STOPPED" });
  });
});

describe("up/async", () => {
  test("answers at once, and up/status tells how far it is", async () => {
    const control = await openControl();
    expect(await control.status()).toMatchObject({ status: "not_started", error: null, instances: [] });
    expect(await control.up(["unhealthy"], [], "/async")).toEqual({
      status: 200,
      body: { status: "starting", message: "Inference startup initiated in background" },
    });
    await starting(control);
    expect(await control.status()).toMatchObject({ status: "in_progress", is_starting: true, model: "some/model" });
    await heal(control, 0, 1);
    expect(await control.status()).toMatchObject({ status: "completed", is_running: true, error: null });
  });

  test("a failure is told by up/status, and another up may follow", async () => {
    const control = await openControl();
    await control.up(["exit"], [], "/async");
    await reaches(control, "failed");
    expect((await control.status())["error"]).toContain("inference-1 exited with code 3");
    expect((await control.call("GET", "/api/v1/state")).body).toEqual({ state: "STOPPED" });
    expect((await control.up()).status).toBe(200);
    expect((await control.status())["error"]).toBe(null);
  });
});

describe("health", () => {
  const paths = ["/health", "/livez", "/readyz"] as const;
  const statuses = async ({ call }: Awaited<ReturnType<typeof openControl>>) =>
    Promise.all(paths.map(async (path) => (await call("GET", path)).status));

  test("is well while nothing runs, not ready while it starts, and unwell when no instance is", async () => {
    const control = await openControl({ health: true });
    expect(await statuses(control)).toEqual([200, 200, 200]);
    await control.up(["unhealthy"], [], "/async");
    await starting(control);
    expect(await statuses(control)).toEqual([200, 200, 503]);
    await control.down();
    await control.up();
    expect(await statuses(control)).toEqual([200, 200, 200]);
    const [first] = await control.engines();
    await tell(first as NonNullable<typeof first>, "/sicken");
    await eventually(async () => expect(await statuses(control)).toEqual([503, 503, 503]));
    expect((await control.call("GET", "/health")).body).toEqual({
      status: "unhealthy",
      service_state: "INFERENCE",
      managers: { inference: { running: true, healthy: false } },
    });
  });

  test("is not answered unless it is asked for", async () => {
    expect((await (await openControl()).call("GET", "/readyz")).status).toBe(503);
  });
});

test("where nothing may be started up is refused", async () => {
  const proxy = await createProxy(config({ health: true }), { mode: "test" });
  const up = await proxy.fetch(
    new Request("http://localhost/api/v1/inference/up", { method: "POST", body: '{"model":"m","dtype":"auto"}' }),
  );
  expect([up.status, await up.json()]).toMatchObject([422, {}]);
  const typed = await proxy.fetch(
    new Request("http://localhost/api/v1/inference/up", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"model":"m","dtype":"auto"}',
    }),
  );
  expect(typed.status).toBe(503);
  await proxy.close();
});

test("another prefix and another pool", async () => {
  const control = await openControl({ prefix: "", pool: "engines", port: await findFreePort(["127.0.0.1"], true) });
  expect((await control.call("GET", "/state")).body).toEqual({ state: "STOPPED" });
  await control.call("POST", "/inference/up", { model: "m", dtype: "auto" });
  const pool = control.proxy.pools().find(({ name }) => name === "engines");
  expect(pool?.snapshot.available.map(({ id }) => id)).toEqual(["inference-1"]);
});
