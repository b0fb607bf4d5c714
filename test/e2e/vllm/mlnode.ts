import { once } from "node:events";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { type Command, getJson, openStack, until, urlOf } from "../fleet/stack.ts";

const config = fileURLToPath(new URL("../../../examples/vllm/proxy.config.ts", import.meta.url));
export const standIn: string = fileURLToPath(new URL("../../../examples/vllm/vllm-stand-in.mjs", import.meta.url));
export const rawEngine: string = fileURLToPath(new URL("raw-engine.mjs", import.meta.url));

export type Env = Readonly<Record<string, string>>;

export interface Called {
  readonly status: number;
  // What an API answers can be anything; the tests say what they expect.
  readonly body: Record<string, unknown>;
}

export interface Engine {
  readonly name: string;
  readonly port: number;
  readonly devices: readonly string[];
  readonly state: string;
  readonly reason: string;
  readonly pid: number | null;
}

export interface Service {
  readonly id: string;
  readonly healthy: boolean;
  readonly inflight: number;
  readonly requests: number;
  readonly verdicts: readonly { readonly reporter: string; readonly reason: string }[];
}

/** The example as its user starts it, with engines that stand in for vLLM. */
export interface Mlnode {
  readonly url: string;
  readonly compat: string;
  readonly compatPort: number;
  readonly lines: readonly string[];
  call(method: string, path: string, body?: unknown, headers?: Env): Promise<Called>;
  /** `how`: nothing, or `/async`. */
  up(args?: readonly string[], how?: string): Promise<Called>;
  /** `up`, which has to work. */
  start(args?: readonly string[]): Promise<void>;
  down(): Promise<Called>;
  status(): Promise<Called["body"]>;
  engines(): Promise<readonly Engine[]>;
  /** As the statistics tell them. */
  services(): Promise<readonly Service[]>;
  stats(): Promise<Record<string, unknown>>;
  /** Resolves when so many engines take requests. */
  takes(count: number): Promise<void>;
  /** Resolves when the compat port takes connections, or refuses them. */
  compatIs(state: "open" | "closed"): Promise<void>;
  /** The exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Little patience; `devices` are as many as engines. */
export interface MlnodeOptions {
  readonly devices?: number;
  readonly env?: Env;
  /** Of the compat port; the engines have those after it. */
  readonly port?: number;
}

export async function openMlnode({ devices = 1, env = {}, port }: MlnodeOptions = {}): Promise<Mlnode> {
  const compatPort = port ?? (await freeRow(devices + 1));
  const stack = await openStack();
  const node: { command?: Command } = {};
  onTestFinished(async () => {
    // Not killed at once: the engines go with it.
    await node.command?.end("SIGTERM");
    await stack.close();
  }, 60_000);
  const command = (node.command = await stack.start(["--config", config, "--port", "0"], {
    VLLM_PYTHON_PATH: standIn,
    INFERENCE_PORT: String(compatPort),
    CUDA_VISIBLE_DEVICES: Array.from({ length: devices }, (_, device) => String(device)).join(","),
    ADMIN_PORT: "0",
    STAGGER_SEC: "0",
    HEALTH_SEC: "0.2",
    DRAIN_SEC: "0",
    // As without a test runner, which would have it say less.
    CONSOLA_LEVEL: "3",
    ...env,
  }));
  return toMlnode(command, compatPort);
}

function toMlnode(command: Command, compatPort: number): Mlnode {
  const url = urlOf(command);
  const compat = `http://127.0.0.1:${compatPort}`;
  const listeners = command.ready["listeners"] as readonly { readonly name: string; readonly url?: string }[];
  const admin = listeners.find(({ name }) => name === "admin")?.url ?? "";
  const call: Mlnode["call"] = async (method, path, body, headers = {}) => {
    const typed = { ...(body !== undefined && { "content-type": "application/json" }), ...headers };
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await fetch(url + path, { method, headers: typed, ...(body !== undefined && { body: text }) });
    return { status: answer.status, body: (await answer.json()) as Called["body"] };
  };
  const status: Mlnode["status"] = async () => (await call("GET", "/api/v1/inference/up/status")).body;
  const services: Mlnode["services"] = async () =>
    (await getJson(`${admin}/services`))["services"] as readonly Service[];
  const up: Mlnode["up"] = (args = [], how = "") =>
    call("POST", `/api/v1/inference/up${how}`, { model: "some/model", dtype: "auto", additional_args: args });
  return {
    url,
    compat,
    compatPort,
    lines: command.lines,
    call,
    status,
    services,
    up,
    start: async (args) => expect(await up(args)).toEqual({ status: 200, body: { status: "OK" } }),
    down: () => call("POST", "/api/v1/inference/down"),
    engines: async () => (await status())["instances"] as readonly Engine[],
    stats: () => getJson(`${admin}/stats`),
    takes: (count) =>
      until(async () => expect((await services()).filter(({ healthy }) => healthy)).toHaveLength(count)),
    compatIs: (state) => until(async () => expect((await accepts(compatPort)) ? "open" : "closed").toBe(state)),
    end: (signal = "SIGTERM") => command.end(signal),
  };
}

/** Ports for each worker of the test runner, so that what one has found free no other takes. */
const span = 400;
const base = 10_000 + span * (Number(process.env["VITEST_POOL_ID"] ?? 0) % 25);

/** The first of so many ports in a row that are free. Below those that the system gives to clients. */
export async function freeRow(length: number): Promise<number> {
  for (;;) {
    const first = base + Math.floor(Math.random() * (span - length));
    const free = await Promise.all(Array.from({ length }, (_, index) => isFree(first + index)));
    if (free.every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const held = await hold(port).catch(() => undefined);
  await held?.();
  return held !== undefined;
}

/** An engine that is asked through it may not answer, and so it is only connected to. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  const accepted = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return accepted;
}

/** Listens there as another program would; what it gives lets go. */
export async function hold(port: number): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return async () => {
    server.close();
    await once(server, "close");
  };
}

export interface Stream {
  readonly status: number;
  /** Of the engine that answers. */
  readonly pid: number;
  /** What came until its end, or until it was cut. */
  readonly rest: Promise<{ readonly text: string; readonly whole: boolean }>;
  leave(): void;
}

/** A streamed chat, once its first token is there. */
export async function stream(url: string, words = 200): Promise<Stream> {
  const life = new AbortController();
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(chatOf(words)),
    signal: life.signal,
  });
  const reader = answer.body?.getReader();
  let text = new TextDecoder().decode((await reader?.read())?.value);
  const read = async (): Promise<{ text: string; whole: boolean }> => {
    try {
      for (;;) {
        const piece = await reader?.read();
        if (piece === undefined || piece.done) return { text, whole: true };
        text += new TextDecoder().decode(piece.value);
      }
    } catch {
      return { text, whole: false }; // cut, which is what the caller wants to know
    }
  };
  return { status: answer.status, pid: pidOf(answer), rest: read(), leave: () => life.abort() };
}

export function pidOf({ headers }: Response): number {
  return Number(headers.get("x-stand-in-pid"));
}

/** A chat that is answered with so many words, one token each. */
export function chatOf(words: number, streamed = true): object {
  const content = Array.from({ length: words }, () => "word").join(" ");
  return { model: "some/model", stream: streamed, messages: [{ role: "user", content }] };
}

export async function chat(url: string): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(chatOf(1, false)) });
}
