import { setTimeout as pause } from "node:timers/promises";
import { importPlugins } from "../config/own-modules.ts";
import { parsePort } from "./args.ts";
import { usageError } from "./failure.ts";
import { parseWhole } from "./flags.ts";
import { explainListenError } from "./listen.ts";
import { createOutput, note } from "./output.ts";
import { handleSignals } from "./signals.ts";

export interface MockFlags {
  readonly port?: string | undefined;
  readonly host?: string | undefined;
  readonly models?: string | undefined;
  readonly name?: string | undefined;
  readonly latency?: string | undefined;
  readonly "chunk-interval"?: string | undefined;
}

interface MockOptions {
  readonly id: string | undefined;
  readonly port: number;
  readonly host: string;
  readonly models: readonly string[] | undefined;
  readonly latency: number | undefined;
  readonly chunkInterval: number | undefined;
}

interface MockServer {
  readonly url: string;
  readonly active: number;
  close(): Promise<void>;
}

type Start = (options: MockOptions) => Promise<MockServer>;

/** Runs one OpenAI-compatible mock as a process of its own, until a signal ends it. */
export async function mock({ json, ...flags }: MockFlags & { readonly json: boolean }): Promise<void> {
  const output = createOutput(json);
  const started = handleSignals(output);
  const options = toOptions(flags);
  const server = await (
    await findStart()
  )(options).catch((error: unknown) => {
    throw explainListenError(error, options);
  });
  started({
    active: () => server.active,
    reload: () => output.tell("reload-ignored", note("SIGHUP: a mock has nothing to reload")),
    close: closing(server),
  });
  const { models = ["mock-model"] } = options;
  const text = note(`mock of ${models.join(", ") || "any model"} on ${server.url}`);
  output.tell("ready", text, { url: server.url, urls: [server.url], models, pid: process.pid });
}

/** Milliseconds between two looks at whether answers are still under way. */
const look = 20;

/** Lets the answers under way end; a second call cuts them. */
function closing(server: MockServer): () => Promise<void> {
  const cut = new AbortController();
  let first = true;
  return async () => {
    if (!first) cut.abort();
    first = false;
    while (!cut.signal.aborted && server.active > 0) await pause(look);
    await server.close();
  };
}

function toOptions(flags: MockFlags): MockOptions {
  const milliseconds = (flag: "latency" | "chunk-interval"): number | undefined =>
    parseWhole(flags[flag], `--${flag}`, "pass whole milliseconds");
  const models = flags.models?.split(",").map((model) => model.trim());
  if (models?.includes("") === true)
    throw usageError(`--models ${flags.models} has an empty name in it`, "separate names by one comma, as in a,b");
  return {
    id: flags.name,
    port: parsePort(flags.port ?? "0", "--port"),
    host: flags.host ?? "127.0.0.1",
    models,
    latency: milliseconds("latency"),
    chunkInterval: milliseconds("chunk-interval"),
  };
}

async function findStart(): Promise<Start> {
  const found = Object.entries(await importPlugins()).find(([name]) => name === "startMockBackend")?.[1] as
    | Start
    | undefined;
  if (found === undefined) throw new Error("the mock backend is missing");
  return found;
}
