import { fileURLToPath } from "node:url";
import type { Plugin, ProxyConfig } from "plugboard";
import { inferenceControl, type InferenceControlOptions } from "../../../plugins/fleet/inference-control.ts";
import { eventually } from "../../e2e/eventually.ts";
import { type OpenProxy, openProxy } from "../../core/open-proxy.ts";

const script = fileURLToPath(new URL("inference-engine.mjs", import.meta.url));

/** Options with little patience, and a program that does what the request says. */
export const quick: InferenceControlOptions = {
  command: [process.execPath, script, "serve", "{model}", "--dtype", "{dtype}", "--host", "{host}", "--port", "{port}"],
  port: 0,
  gpus: 1,
  stagger: 0,
  ready: { check: 30 },
  backoff: { delay: 20, jitter: 0 },
  stop: { grace: 4_000 },
};

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
  readonly pid: number | undefined;
  readonly restarts: number;
}

export interface OpenControl {
  readonly proxy: OpenProxy;
  readonly url: string;
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Called>;
  /** What is wrong on `--play` of the engine, such as `exit@1`: on device 1. */
  up(plays?: readonly string[], args?: readonly string[], how?: string): Promise<Called>;
  down(): Promise<Called>;
  status(): Promise<Called["body"]>;
  engines(): Promise<readonly Engine[]>;
  /** Throws unless that many targets take requests. */
  takes(count: number): void;
}

export const config = (options: InferenceControlOptions = {}, others: readonly Plugin[] = []): ProxyConfig => ({
  plugins: [inferenceControl({ ...quick, ...options }), ...others],
});

export async function openControl(
  options: InferenceControlOptions = {},
  others: readonly Plugin[] = [],
): Promise<OpenControl> {
  const proxy = await openProxy(config(options, others));
  const { url } = await proxy.listen();
  const call: OpenControl["call"] = async (method, path, body, headers = {}) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const typed = { ...(body !== undefined && { "content-type": "application/json" }), ...headers };
    const answer = await fetch(url + path, { method, headers: typed, ...(body !== undefined && { body: text }) });
    const said = await answer.text();
    return { status: answer.status, body: said === "" ? {} : (JSON.parse(said) as Called["body"]) };
  };
  const status = async (): Promise<Called["body"]> => (await call("GET", "/api/v1/inference/up/status")).body;
  return {
    proxy,
    url,
    call,
    status,
    up(plays = [], args = [], how = "") {
      const more = plays.flatMap((play) => ["--play", play]);
      const body = { model: "some/model", dtype: "auto", additional_args: [...args, ...more] };
      return call("POST", `/api/v1/inference/up${how}`, body);
    },
    down: () => call("POST", "/api/v1/inference/down"),
    engines: async () => {
      const told = (await status())["instances"] as readonly (Omit<Engine, "pid"> & { readonly pid: number | null })[];
      return told.map((one) => ({ ...one, pid: one.pid ?? undefined }));
    },
    takes(count) {
      const [pool] = proxy.pools();
      if (pool?.snapshot.available.length !== count)
        throw new Error(`${pool?.snapshot.available.length} take requests`);
    },
  };
}

/** Asks an engine itself. */
export async function tell({ port }: Pick<Engine, "port">, path: string): Promise<void> {
  await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
}

export interface Self {
  readonly pid: number;
  readonly args: readonly string[];
  readonly device: string;
  readonly port: string;
}

/** The first, once its process runs. */
export async function starting({ engines }: OpenControl): Promise<Engine> {
  let found: Engine | undefined;
  await eventually(async () => {
    found = (await engines()).find(({ state, pid }) => state === "starting" && pid !== undefined);
    if (found === undefined) throw new Error("none is starting");
  });
  return found as Engine;
}

/** Until so many take requests; an engine may not listen yet. */
export async function heal({ engines, takes }: OpenControl, index: number, count: number): Promise<void> {
  await eventually(async () => {
    await tell((await engines())[index] as Engine, "/heal");
    takes(count);
  });
}

/** Of the engine that answers through the proxy. */
export async function self({ call }: OpenControl): Promise<Self> {
  return (await call("GET", "/v1/self")).body as unknown as Self;
}

export async function reaches(control: OpenControl, status: string): Promise<void> {
  await eventually(async () => {
    const found = await control.status();
    if (found["status"] !== status) throw new Error(JSON.stringify(found));
  });
}
