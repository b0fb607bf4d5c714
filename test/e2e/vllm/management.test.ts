import { describe, expect, test, vi } from "vitest";
import { until } from "../fleet/stack.ts";
import { chat, hold, openMlnode, pidOf, rawEngine } from "./mlnode.ts";

// Each starts processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const ok = { status: 200, body: { status: "OK" } };

async function info(port: number): Promise<Record<string, unknown>> {
  return (await (await fetch(`http://127.0.0.1:${port}/stand-in/info`)).json()) as Record<string, unknown>;
}

describe("up", () => {
  test("starts an engine for each share of the devices, on the ports after the compat port", async () => {
    const node = await openMlnode({ devices: 5 });
    expect(await node.up(["--tensor-parallel-size", "2", "--pipeline-parallel-size=1", "--seed", "7"])).toEqual(ok);
    await node.takes(2);
    const [first, second] = [await info(node.compatPort + 1), await info(node.compatPort + 2)];
    expect([first["cuda_visible_devices"], second["cuda_visible_devices"]]).toEqual(["0,1", "2,3"]);
    const program = ["-m", "vllm.entrypoints.openai.api_server", "--model", "some/model", "--dtype", "auto"];
    const place = ["--host", "127.0.0.1", "--port", String(node.compatPort + 1)];
    const added = ["--tensor-parallel-size", "2", "--pipeline-parallel-size=1", "--seed", "7"];
    expect(first["argv"]).toEqual([...program, ...place, ...added]);
    expect((await node.engines()).map(({ devices }) => devices)).toEqual([
      ["0", "1"],
      ["2", "3"],
    ]);
  });

  test("never starts more engines than INFERENCE_MAX_INSTANCES", async () => {
    const node = await openMlnode({ devices: 4, env: { INFERENCE_MAX_INSTANCES: "2" } });
    await node.start();
    expect(await node.engines()).toHaveLength(2);
  });

  test("answers when any engine does, and the others are started one after the other", async () => {
    const node = await openMlnode({ devices: 3, env: { STAGGER_SEC: "1000" } });
    expect(await node.up()).toEqual(ok);
    expect((await node.engines()).map(({ state }) => state)).toEqual(["ready", "stopped", "stopped"]);
    expect((await chat(node.url)).status).toBe(200);
  });

  test("staggered engines come in the order of their ports", async () => {
    const node = await openMlnode({ devices: 3, env: { STAGGER_SEC: "0.3" } });
    await node.start();
    await node.takes(3);
    const starts = node.lines.filter((line) => line.includes("is started: process"));
    expect(starts.map((line) => /inference-\d/.exec(line)?.[0])).toEqual(["inference-1", "inference-2", "inference-3"]);
  });

  test("while it runs, or is starting, is 409 and says what to do", async () => {
    const node = await openMlnode({ env: { STANDIN_LOAD_MS: "500" } });
    const first = node.up();
    await until(async () => expect(await node.status()).toMatchObject({ is_starting: true }));
    const starting = "VLLM is already starting. Use /inference/up/status to see how far it is.";
    expect(await node.up()).toEqual({ status: 409, body: { detail: starting } });
    expect(await first).toEqual(ok);
    const running = "VLLM is already running. Use /inference/down to stop it first.";
    expect(await node.up()).toEqual({ status: 409, body: { detail: running } });
    expect((await chat(node.url)).status).toBe(200);
  });

  test("with a body that is wrong is 422 and names the fields", async () => {
    const node = await openMlnode();
    const { status, body } = await node.call("POST", "/api/v1/inference/up", { model: 7, additional_args: "--a" });
    expect(status).toBe(422);
    const places = (body["detail"] as readonly { readonly loc: readonly string[] }[]).map(({ loc }) => loc.join("."));
    expect(places).toEqual(["body.model", "body.dtype", "body.additional_args"]);
  });

  test("takes a body without Content-Type for JSON", async () => {
    const node = await openMlnode();
    const body = new TextEncoder().encode('{"model":"some/model","dtype":"auto"}');
    const answer = await fetch(`${node.url}/api/v1/inference/up`, { method: "POST", body });
    expect(answer.status).toBe(200);
  });

  test("is 500 when the engine ends before it answers, and nothing is left", async () => {
    const node = await openMlnode({ devices: 2, env: { STANDIN_FAIL: "1" } });
    const { status, body } = await node.up();
    expect([status, body["detail"]]).toEqual([500, expect.stringMatching(/^VLLM failed to start: inference-\d/)]);
    expect(await node.services()).toEqual([]);
    expect(await node.call("GET", "/api/v1/state")).toEqual({ status: 200, body: { state: "STOPPED" } });
  });

  test("is 500 when there is no such program, or its port is taken", async () => {
    const node = await openMlnode({ env: { VLLM_PYTHON_PATH: "/nonexistent/python" } });
    const missing = await node.up();
    expect([missing.status, missing.body["detail"]]).toEqual([500, expect.stringContaining("there is no program")]);
    const other = await openMlnode();
    const release = await hold(other.compatPort + 1);
    const taken = await other.up();
    expect([taken.status, taken.body["detail"]]).toEqual([500, expect.stringContaining("is taken by")]);
    await release();
    expect(await other.up()).toEqual(ok);
  });

  test("is 504 when no engine answers before the deadline, and nothing is left", async () => {
    const node = await openMlnode({ env: { START_SEC: "0.3", STANDIN_LOAD_MS: "100000" } });
    expect(await node.up()).toEqual({
      status: 504,
      body: { detail: "VLLM failed to start: no instance answered within 300 ms." },
    });
    expect(await node.services()).toEqual([]);
  });

  test("runs any program that speaks as vLLM does", async () => {
    const node = await openMlnode({ env: { VLLM_PYTHON_PATH: rawEngine } });
    expect(await node.up()).toEqual(ok);
  });
});

describe("up/async", () => {
  test("answers at once, and up/status tells how far it is", async () => {
    const node = await openMlnode({ env: { STANDIN_LOAD_MS: "300" } });
    expect(await node.status()).toMatchObject({ status: "not_started", is_starting: false, is_running: false });
    expect(await node.up([], "/async")).toEqual({
      status: 200,
      body: { status: "starting", message: "Inference startup initiated in background" },
    });
    expect(await node.status()).toMatchObject({ status: "in_progress", is_starting: true, is_running: false });
    await until(async () => expect(await node.status()).toMatchObject({ status: "completed", is_running: true }));
  });

  test("shows its engines at once, as down and with nothing under way", async () => {
    const node = await openMlnode({ devices: 2, env: { STANDIN_LOAD_MS: "100000" } });
    await node.up([], "/async");
    await until(async () =>
      expect(await node.services()).toMatchObject([
        { id: "inference-1", healthy: false, inflight: 0, requests: 0 },
        { id: "inference-2", healthy: false, inflight: 0, requests: 0 },
      ]),
    );
  });

  test("a failure is told by up/status, and another up may follow", async () => {
    const node = await openMlnode();
    await node.up(["--max-num-seqs", "none"], "/async");
    await until(async () => expect(await node.status()).toMatchObject({ status: "failed" }));
    expect((await node.status())["error"]).toContain("inference-1 exited with code 2");
    expect(await node.up()).toEqual(ok);
  });
});

describe("down", () => {
  test("stops, also when nothing runs, and up works again after it: three times", async () => {
    const node = await openMlnode({ devices: 2 });
    expect(await node.down()).toEqual(ok);
    for (let cycle = 0; cycle < 3; cycle++) {
      expect(await node.up()).toEqual(ok);
      expect((await chat(node.url)).status).toBe(200);
      expect(await node.down()).toEqual(ok);
      expect(await node.services()).toEqual([]);
      expect((await chat(node.url)).status).toBe(503);
    }
  });

  test("ends a start that is under way", async () => {
    const node = await openMlnode({ env: { STANDIN_LOAD_MS: "100000" } });
    const up = node.up();
    await until(async () => expect(await node.status()).toMatchObject({ is_starting: true }));
    expect(await node.down()).toEqual(ok);
    expect(await up).toEqual({ status: 409, body: { detail: "VLLM was stopped before it was ready." } });
  });

  test("and a setup with fewer engines leaves none of the earlier ones to be chosen", async () => {
    const node = await openMlnode({ devices: 3 });
    await node.start();
    await node.takes(3);
    await node.down();
    await node.start(["-tp", "3"]);
    expect((await node.services()).map(({ id, inflight, requests }) => [id, inflight, requests])).toEqual([
      ["inference-1", 0, 0],
    ]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => chat(node.url)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(pidOf)).size).toBe(1);
  });
});

test("state is STOPPED or INFERENCE, and stop is down by another name", async () => {
  const node = await openMlnode();
  const state = async (): Promise<unknown> => (await node.call("GET", "/api/v1/state")).body["state"];
  expect(await state()).toBe("STOPPED");
  await node.start();
  expect(await state()).toBe("INFERENCE");
  expect(await node.call("POST", "/api/v1/stop")).toEqual(ok);
  expect(await state()).toBe("STOPPED");
});

test("health, livez and readyz tell how the engines are", async () => {
  const node = await openMlnode();
  const statuses = async (): Promise<number[]> =>
    Promise.all(["/health", "/livez", "/readyz"].map(async (path) => (await fetch(node.url + path)).status));
  expect(await statuses()).toEqual([200, 200, 200]);
  await node.start();
  const [engine] = await node.engines();
  process.kill(engine?.pid ?? 0, "SIGSTOP");
  await until(async () => expect(await statuses()).toEqual([503, 503, 503]));
  process.kill(engine?.pid ?? 0, "SIGCONT");
  await until(async () => expect(await statuses()).toEqual([200, 200, 200]));
});

test("with CONTROL_TOKEN nobody else starts or stops anything", async () => {
  const token = "0123456789abcdef";
  const node = await openMlnode({ env: { CONTROL_TOKEN: token } });
  expect((await node.up()).status).toBe(401);
  const authorization = `Bearer ${token}`;
  expect((await node.call("GET", "/api/v1/state", undefined, { authorization })).status).toBe(200);
  expect((await chat(node.url)).status).toBe(503);
});
