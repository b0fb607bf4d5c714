import { type ConsolaInstance, consola } from "consola";
import { parsePort } from "./args.ts";
import { usageError } from "./failure.ts";
import { checkRegistryUrl, readToken } from "./registry-access.ts";
import { importFactory, importOwn, runPlugins } from "./run-plugins.ts";

export interface MockFlags {
  readonly port?: string | undefined;
  readonly host?: string | undefined;
  readonly name?: string | undefined;
  readonly models?: string | undefined;
  readonly latency?: string | undefined;
  readonly "registry-url"?: string | undefined;
}

interface Registrar {
  set(registration: object): void;
  drop(name: string): Promise<void>;
  close(): Promise<void>;
}

interface RegistrarModule {
  readonly createRegistrar: (options: {
    readonly url: readonly string[];
    readonly token: string | undefined;
    readonly heartbeat: number;
    readonly log: ConsolaInstance;
    readonly random: () => number;
    readonly now: () => number;
  }) => Registrar;
}

/** Milliseconds, as in InfiniLM's mock service. */
const heartbeat = 10_000;

/**
 * Serves one mock backend on a port of its own, and goes on until a signal ends the process. In front of it is a proxy, which
 * lets what is under way end.
 */
export async function mock({ json, ...flags }: MockFlags & { readonly json: boolean }): Promise<void> {
  const { name = "mock", host = "127.0.0.1" } = flags;
  const models = toModels(flags.models ?? "mock-model");
  const latency = toLatency(flags.latency ?? "0");
  const url = flags["registry-url"];
  if (url !== undefined) checkRegistryUrl(url);
  let leave: (() => Promise<void>) | undefined;
  await runPlugins({
    json,
    address: { port: parsePort(flags.port ?? "8001", "--port"), host },
    async plugins() {
      const mockBackend = await importFactory("plugins/mock/mock-backend", "mockBackend");
      const random = await importFactory("plugins/select/random", "random");
      return [mockBackend({ backends: [{ id: name, models, latency }] }), random()];
    },
    async ready(_proxy, address) {
      const { port = 0, urls = [] } = address ?? {};
      if (url !== undefined) leave = await register(url, { name, host, port, models });
      return {
        title: `mock backend ${name}`,
        urls,
        rows: [["models", models.join(", ")], ...(url === undefined ? [] : [["registry", url] as const])],
        fields: { name, models, registry: url ?? null },
      };
    },
    leave: async () => leave?.(),
  });
}

function toModels(text: string): readonly string[] {
  const models = text.split(",").map((model) => model.trim());
  if (models.every((model) => model !== "")) return models;
  throw usageError(`--models ${text} has an empty name`, "separate names by one comma: --models small,large");
}

function toLatency(text: string): number {
  if (/^\d{1,7}$/u.test(text)) return Number(text);
  throw usageError(`--latency ${text} is no number of milliseconds`, "pass a whole number from 0 to 9999999");
}

interface Mocked {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly models: readonly string[];
}

/** The result takes it back. */
async function register(url: string, { name, host, port, models }: Mocked): Promise<() => Promise<void>> {
  const { createRegistrar } = (await importOwn("plugins/fleet/_registrar")) as unknown as RegistrarModule;
  const registrar = createRegistrar({
    url: [url],
    token: readToken(undefined, 1),
    heartbeat,
    log: consola,
    random: Math.random,
    now: () => performance.now(),
  });
  const reached = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const origin = `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
  const list = models.map((id) => ({ id, object: "model", created: Math.floor(Date.now() / 1_000) }));
  const metadata = { type: "openai-api", models, models_list: list };
  registrar.set({ name, host: reached, port, hostname: reached, url: origin, status: "running", metadata });
  return async () => {
    await registrar.drop(name);
    await registrar.close();
  };
}
