import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createConsola } from "consola";
import OpenAI from "openai";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createProxy, definePlugin, type Pool } from "plugboard";
import { hangCheck } from "plugboard/plugins/health/hang-check";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { eventually } from "../e2e/eventually.ts";

// Starting a process takes its time on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const command = fileURLToPath(new URL("../../examples/vllm/vllm-stand-in.mjs", import.meta.url));
type Env = Readonly<Record<string, string>>;

function launch(args: readonly string[], env: Env = {}): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [command, ...args], { env: { PATH: process.env["PATH"], ...env } });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

/** Its exit code and what it said. */
async function ended(args: readonly string[], env?: Env): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = launch(args, env);
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

interface StandIn {
  readonly child: ChildProcessWithoutNullStreams;
  readonly url: string;
  /** What it has written so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** What it answers to a GET, or to a POST with a body. */
  ask(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** A sample of its metrics. */
  sample(name: string): Promise<number>;
}

const here = ["--host", "127.0.0.1", "--port", "0"];

async function start(args: readonly string[] = ["serve", "m", ...here], env?: Env): Promise<StandIn> {
  const child = launch(args, env);
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (piece) => (said.stdout += String(piece)));
  child.stderr.on("data", (piece) => (said.stderr += String(piece)));
  await vi.waitFor(() => expect(said.stdout).toContain("Application startup complete."), { timeout: 20_000 });
  const url = /Starting vLLM API server 0 on (http:\S+)/.exec(said.stdout)?.[1] ?? "";
  const ask: StandIn["ask"] = (path, body, headers = {}) =>
    fetch(url + path, {
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  return {
    child,
    url,
    get stdout() {
      return said.stdout;
    },
    get stderr() {
      return said.stderr;
    },
    ask,
    async sample(name) {
      const line = (await (await ask("/metrics")).text()).split("\n").find((one) => one.startsWith(`${name}{`));
      return Number(line?.split(" ").at(-1));
    },
  };
}

const client = ({ url }: StandIn, apiKey = "none"): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

const hello = { model: "m", messages: [{ role: "user" as const, content: "hello big world" }] };

describe("its command line", () => {
  test.each([
    ["serve", ["serve", "org/model", ...here, "--dtype", "float16"]],
    ["serve, with the model last", ["serve", ...here, "--enforce-eager", "org/model"]],
    ["the module", ["-m", "vllm.entrypoints.openai.api_server", "--model", "org/model", ...here, "--dtype=float16"]],
    ["the module, unbuffered", ["-u", "-m", "vllm.entrypoints.openai.api_server", "--model=org/model", ...here]],
  ])("is that of %s", async (_, args) => {
    const standIn = await start(args);
    expect((await standIn.ask("/health")).status).toBe(200);
    expect(await (await standIn.ask("/v1/models")).json()).toMatchObject({ data: [{ id: "org/model" }] });
    expect(await (await standIn.ask("/stand-in/info")).json()).toMatchObject({ pid: standIn.child.pid, argv: args });
  });

  test("takes several names for the model, and lengths with a unit, in both spellings of a flag", async () => {
    const standIn = await start(["serve", "m", "--served-model-name", "a", "b", "--max_model_len", "8K", ...here]);
    const { data } = (await (await standIn.ask("/v1/models")).json()) as { data: Record<string, unknown>[] };
    const shown = { object: "model", owned_by: "vllm", root: "m", parent: null, max_model_len: 8_192 };
    expect(data).toMatchObject([
      { id: "a", ...shown },
      { id: "b", ...shown },
    ]);
    expect((await client(standIn).chat.completions.create({ ...hello, model: "b" })).model).toBe("b");
  });

  test("notes the flags that it does not know", async () => {
    const standIn = await start([
      "serve",
      "m",
      "--gpu-memory-utilization",
      "0.9",
      "--enforce-eager",
      "--seed=1",
      ...here,
    ]);
    const note = "vllm-stand-in: accepted and ignored:";
    expect(standIn.stderr).toBe(`${note} --gpu-memory-utilization 0.9\n${note} --enforce-eager\n${note} --seed=1\n`);
  });

  test.each([
    [["serve", "m", "--port", "http"], "vllm serve: error: argument --port: invalid int value: 'http'"],
    [["serve", "m", "--port=65536"], "argument --port: invalid int value: '65536'"],
    [["serve", "m", "-tp", "0"], "argument --tensor-parallel-size: invalid int value: '0'"],
    [["serve", "m", "-pp=x"], "argument --pipeline-parallel-size: invalid int value: 'x'"],
    [["serve", "m", "--dtype", "int8"], "argument --dtype: invalid choice: 'int8' (choose from auto, half,"],
    [["serve", "m", "--max-model-len", "1.5"], "argument --max-model-len: invalid human_readable_int value: '1.5'"],
    [["serve", "m", "--port"], "argument --port: expected one argument"],
    [["serve", "m", "--served-model-name", "--port", "1"], "--served-model-name: expected at least one argument"],
    [["serve", "m", "n"], "unrecognized arguments: n"],
    [["-m", "vllm.entrypoints.openai.api_server", "m"], "api_server.py: error: unrecognized arguments: m"],
  ])("%j is refused with exit code 2", async (args, says) => {
    const { code, stderr } = await ended(args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)]);
    expect(stderr).toMatch(/^usage: /);
  });
});

describe("its devices", () => {
  test.each([
    ["0", "2", "1"],
    ["0,1,2", "2", "2"],
    ["0,0", "2", "1"],
    ["0,-1,1", "2", "1"],
    ["", "1", "1"],
  ])("are too few: %j for a tensor parallel size of %s and %s stages", async (devices, tensor, stages) => {
    const args = ["serve", "m", "-tp", tensor, "--pipeline-parallel-size", stages, ...here];
    const { code, stderr } = await ended(args, { CUDA_VISIBLE_DEVICES: devices });
    expect([code, stderr]).toEqual([1, expect.stringContaining("is larger than the number of available GPUs")]);
  });

  test("are told, with the variables of vLLM", async () => {
    const env = { CUDA_VISIBLE_DEVICES: "4,5,6,7", VLLM_USE_V1: "0", VLLM_API_KEY: "sekret", OTHER: "1" };
    const standIn = await start(["serve", "m", "-tp=2", "-pp", "2", ...here], env);
    expect(await (await standIn.ask("/stand-in/info")).json()).toMatchObject({
      cuda_visible_devices: "4,5,6,7",
      env: { CUDA_VISIBLE_DEVICES: "4,5,6,7", VLLM_USE_V1: "0" },
    });
    expect(await (await standIn.ask("/stand-in/info")).text()).not.toMatch(/sekret|OTHER/);
  });
});

describe("its life", () => {
  test("does not listen while it loads, and ends by a signal", async () => {
    const child = launch(["serve", "m", ...here], { STANDIN_LOAD_MS: "600000" });
    let stdout = "";
    child.stdout.on("data", (piece) => (stdout += String(piece)));
    await vi.waitFor(() => expect(stdout).toContain("Initializing"), { timeout: 20_000 });
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    expect([code, stdout.includes("Starting vLLM API server")]).toEqual([0, false]);
  });

  test("may fail while it loads", async () => {
    const { code, stdout } = await ended(["serve", "m", ...here], { STANDIN_FAIL: "1", STANDIN_LOAD_MS: "5" });
    expect([code, stdout.includes("Starting vLLM API server")]).toEqual([1, false]);
  });

  test("ends when its port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await ended(["serve", "m", "--host", "127.0.0.1", "--port", String(port)]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("EADDRINUSE")]);
  });

  test("refuses a setting that is no number", async () => {
    const { code, stderr } = await ended(["serve", "m", ...here], { STANDIN_TOKEN_MS: "fast" });
    expect([code, stderr]).toEqual([2, expect.stringContaining('STANDIN_TOKEN_MS is "fast"')]);
  });

  test.each<NodeJS.Signals>(["SIGTERM", "SIGINT"])("ends by %s, in the middle of a stream", async (signal) => {
    const standIn = await start(undefined, { STANDIN_TOKEN_MS: "60000" });
    const response = await standIn.ask("/v1/chat/completions", { ...hello, stream: true });
    standIn.child.kill(signal);
    const [code] = await once(standIn.child, "exit");
    expect(code).toBe(0);
    await expect(response.text()).rejects.toThrow();
  });
});

describe("its answers", () => {
  test("a chat completion, whole and streamed, is the same", async () => {
    const standIn = await start();
    const { chat } = client(standIn);
    const whole = await chat.completions.create(hello);
    expect(whole.choices[0]).toMatchObject({
      message: { content: "You said: hello big world" },
      finish_reason: "stop",
    });
    expect(whole.usage).toEqual({ prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 });
    const chunks = [];
    const stream = await chat.completions.create({ ...hello, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) chunks.push(chunk);
    const content = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect([content, chunks.at(-1)?.usage]).toEqual(["You said: hello big world", whole.usage]);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  test("ends at max_tokens, and goes on to it if the end is to be ignored", async () => {
    const standIn = await start();
    const create = async (body: object): Promise<unknown[]> => {
      const { choices, usage } = await client(standIn).chat.completions.create({ ...hello, ...body });
      return [choices[0]?.finish_reason, usage?.completion_tokens];
    };
    expect(await create({ max_tokens: 2 })).toEqual(["length", 2]);
    expect(await create({ max_completion_tokens: 5 })).toEqual(["stop", 5]);
    expect(await create({ max_tokens: 40, ignore_eos: true })).toEqual(["length", 40]);
  });

  test("a completion answers each prompt, `n` times", async () => {
    const standIn = await start();
    const body = { model: "m", prompt: ["a", "b c"], n: 2, max_tokens: 3 };
    const { choices, usage } = await client(standIn).completions.create(body);
    expect(choices.map(({ index, text: said }) => [index, said])).toEqual([
      [0, "You said: a"],
      [1, "You said: a"],
      [2, "You said: b"],
      [3, "You said: b"],
    ]);
    expect(usage).toEqual({ prompt_tokens: 3, completion_tokens: 12, total_tokens: 15 });
    const stream = await client(standIn).completions.create({ ...body, stream: true });
    const texts = ["", "", "", ""];
    for await (const chunk of stream) for (const { index, text: said } of chunk.choices) texts[index] += said;
    expect(texts).toEqual(choices.map(({ text: said }) => said));
  });

  test("without a model it is the one that is served, and the id is that of the request", async () => {
    const standIn = await start();
    const response = await standIn.ask("/v1/completions", { prompt: [1, 2, 3] }, { "x-request-id": "abc" });
    expect(await response.json()).toMatchObject({ id: "cmpl-abc", model: "m", usage: { prompt_tokens: 3 } });
    expect(response.headers.get("x-stand-in-pid")).toBe(String(standIn.child.pid));
  });

  test("what vLLM refuses is refused", async () => {
    const standIn = await start(["serve", "m", "--max-model-len", "10", ...here]);
    const status = async (body: unknown, headers?: Record<string, string>): Promise<number> =>
      (await standIn.ask("/v1/chat/completions", body, headers)).status;
    expect(await status({ ...hello, model: "other" })).toBe(404);
    expect(await status({ ...hello, max_tokens: 8 })).toBe(400);
    expect(await status({ ...hello, max_tokens: 0 })).toBe(400);
    expect(await status({ model: "m" })).toBe(400);
    expect(await status("{")).toBe(400);
    expect(await status("[]")).toBe(400);
    expect(await status(hello, { "content-type": "text/plain" })).toBe(400);
    expect((await standIn.ask("/v1/chat/completions")).status).toBe(405);
    expect((await standIn.ask("/v1")).status).toBe(404);
    expect(await (await standIn.ask("/version")).json()).toEqual({ version: expect.any(String) });
  });

  test("a key guards what is below /v1 only, and is not told", async () => {
    const standIn = await start(["serve", "m", "--api-key", "sekret1", "sekret2", ...here]);
    expect((await standIn.ask("/v1/models")).status).toBe(401);
    expect((await standIn.ask("/health")).status).toBe(200);
    expect((await client(standIn, "sekret2").models.list()).data).toHaveLength(1);
    expect(await (await standIn.ask("/stand-in/info")).text()).not.toContain("sekret");
  });
});

describe("its counts", () => {
  test("are those of what it did", async () => {
    const standIn = await start();
    await client(standIn).chat.completions.create(hello);
    await client(standIn).chat.completions.create({ ...hello, max_tokens: 1 });
    const names = ["vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:iteration_tokens_total_count"];
    const counts = await Promise.all([...names, "vllm:iteration_tokens_total_sum"].map((name) => standIn.sample(name)));
    expect(counts).toEqual([6, 6, 6, 12]);
    const metrics = await (await standIn.ask("/metrics")).text();
    expect(metrics).toContain('vllm:num_requests_running{engine="0",model_name="m"} 0\n');
    expect(metrics).toContain('vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 1\n');
    expect(metrics).toContain('vllm:iteration_tokens_total_bucket{engine="0",le="+Inf",model_name="m"} 6\n');
  });

  test("a request that is given up runs no more", async () => {
    const standIn = await start(undefined, { STANDIN_TOKEN_MS: "60000" });
    const response = await standIn.ask("/v1/chat/completions", { ...hello, stream: true });
    await vi.waitFor(async () => expect(await standIn.sample("vllm:num_requests_running")).toBe(1));
    await response.body?.cancel();
    await vi.waitFor(async () => expect(await standIn.sample("vllm:num_requests_running")).toBe(0));
    expect(await (await standIn.ask("/metrics")).text()).toContain(
      'vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 1\n',
    );
  });
});

describe("its hang", () => {
  const long = { ...hello, max_tokens: 1_000_000, ignore_eos: true, stream: true };

  const cancel = async ({ body }: Response): Promise<void> => body?.cancel();

  async function hanging(args: readonly string[] = []): Promise<{ standIn: StandIn; streams: readonly Response[] }> {
    const all = ["serve", "m", "--max-model-len", "2M", ...args, ...here];
    const standIn = await start(all, { STANDIN_TOKEN_MS: "2" });
    const streams = await Promise.all([1, 2, 3].map(() => standIn.ask("/v1/chat/completions", long)));
    await vi.waitFor(async () => expect(await standIn.sample("vllm:num_requests_running")).toBeGreaterThan(0));
    expect(await (await standIn.ask("/stand-in/hang", {})).json()).toEqual({ hung: true });
    return { standIn, streams };
  }

  test("stops its steps while requests run and wait, and its health says 200", async () => {
    const { standIn } = await hanging(["--max-num-seqs", "1"]);
    const steps = await standIn.sample("vllm:iteration_tokens_total_count");
    const more = standIn.ask("/v1/chat/completions", long).catch(() => {});
    await vi.waitFor(async () => expect(await standIn.sample("vllm:num_requests_waiting")).toBe(3));
    expect(await standIn.sample("vllm:num_requests_running")).toBe(1);
    expect((await standIn.ask("/health")).status).toBe(200);
    expect(await standIn.sample("vllm:iteration_tokens_total_count")).toBe(steps);
    expect(await (await standIn.ask("/stand-in/resume", {})).json()).toEqual({ hung: false });
    await vi.waitFor(async () =>
      expect(await standIn.sample("vllm:iteration_tokens_total_count")).toBeGreaterThan(steps),
    );
    standIn.child.kill();
    await more;
  });

  test("a request that is given up meanwhile is not noticed before it goes on", async () => {
    const { standIn, streams } = await hanging();
    await Promise.all(streams.map(cancel));
    // The next connection is taken after the ends of those before it.
    expect((await standIn.ask("/health")).status).toBe(200);
    expect(await standIn.sample("vllm:num_requests_running")).toBe(3);
    await standIn.ask("/stand-in/resume", {});
    await vi.waitFor(async () => expect(await standIn.sample("vllm:num_requests_running")).toBe(0));
  });

  test("is what the hang check is for", async () => {
    const { standIn } = await hanging();
    let pool: Pool | undefined;
    const look = definePlugin({ name: "look", setup: (proxy) => void (pool = proxy.pool()) });
    const check = hangCheck({ interval: 10, grace: 50, fall: 3 });
    const log = createConsola({ level: -999 });
    const proxy = await createProxy({ plugins: [staticTargets({ targets: [standIn.url] }), look(), check] }, { log });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    const available = (): number => pool?.snapshot.available.length ?? -1;
    expect(available()).toBe(1);
    await eventually(() => expect(available()).toBe(0));
    expect((await standIn.ask("/health")).status).toBe(200);
    expect((await proxy.fetch(new Request("http://proxy/v1/models"))).status).toBe(503);
    await standIn.ask("/stand-in/resume", {});
    await eventually(() => expect(available()).toBe(1));
  });
});
