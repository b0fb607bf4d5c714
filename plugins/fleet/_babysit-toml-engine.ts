import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { extension, own } from "../../core/config/own-modules.ts";

import type { BabysitFile } from "./_babysit-toml-schema.ts";
import { isOpenQuote, type OpenQuote, splitWords } from "./_babysit-toml-words.ts";

/** What a babysitter runs, as InfiniLM's tells it. */
export type Engine =
  | { readonly type: "command"; readonly command: readonly string[]; readonly args: readonly string[] }
  | { readonly type: "vllm"; readonly model: string; readonly args: readonly string[] }
  | { readonly type: "mock"; readonly models: readonly string[] }
  | { readonly type: "infinilm-rust"; readonly config_file: string }
  | {
      readonly type: "infinilm";
      readonly model_path: string;
      readonly args: readonly string[];
      readonly script?: string;
    };

/** How each is named in flags and in what is registered. */
export const typeNames: Readonly<Record<Engine["type"], string>> = {
  command: "command",
  vllm: "vLLM",
  mock: "mock",
  "infinilm-rust": "InfiniLM-Rust",
  infinilm: "InfiniLM",
};

export interface EnginePlace {
  readonly name: string;
  /** What it is to listen on. */
  readonly host: string;
}

/** Where the original looks for its mock service, from the working directory. */
const mockScripts = ["rust/tests/integration/mock_service.py", "tests/integration/mock_service.py", "mock_service.py"];

/** Program and arguments, where `{port}` stands for the port. */
export function toCommand(engine: Engine, { name, host }: EnginePlace): readonly string[] {
  const at = ["--port", "{port}", "--host", host];
  if (engine.type === "command") return [...engine.command, ...engine.args];
  if (engine.type === "infinilm-rust") return ["xtask", "service", engine.config_file, "-p", "{port}"];
  if (engine.type === "mock")
    return [...findMock(host), "--port", "{port}", "--models", engine.models.join(","), "--name", name];
  if (engine.type === "vllm")
    return ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", engine.model, ...at, ...engine.args];
  return ["python3", engine.script ?? "launch_server.py", ...at, "--model-path", engine.model_path, ...engine.args];
}

/** Neither is told of a registry: the babysitter speaks for it. */
function findMock(host: string): readonly string[] {
  const script = mockScripts.map((path) => resolve(path)).find((path) => existsSync(path));
  if (script !== undefined) return ["python3", script];
  return [process.execPath, own(`core/cli/main${extension}`), "mock", "--host", host];
}

/** The original splits the command at spaces, so that files may have arguments in it. */
export function toEngine(backend: BabysitFile["backend"]): Engine | OpenQuote {
  if (backend.type !== "command") return backend;
  const command = splitWords(backend.command);
  return isOpenQuote(command) ? command : { ...backend, command };
}
