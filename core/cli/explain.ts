import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { assumeVariables } from "../config/env.ts";
import type { ExplainRequest } from "../contract/proxy.ts";
import { explainConfig } from "../explain/explain.ts";
import { configPath, readConfig, toFailure } from "./config-source.ts";
import { usageError } from "./failure.ts";
import { showExplanation } from "./show-explanation.ts";
import { textOf } from "../errors.ts";

export interface ExplainOptions {
  readonly config?: string;
  readonly model?: string;
  /** METHOD PATH, or the path alone. */
  readonly target: readonly string[];
  /** A file; `-` is standard input. */
  readonly body?: string;
  readonly headers: readonly string[];
  readonly listener?: string;
  readonly json: boolean;
  /** How often the request is sent in thought, for the distribution; digits. */
  readonly n?: string;
  readonly seed?: string;
}

/** Shows what a request would do, without sending it anywhere. */
export async function explain(options: ExplainOptions): Promise<void> {
  const request = await toRequest(options);
  // Where a request goes depends on no secret.
  assumeVariables();
  const source = await readConfig(configPath(options.config), "check").catch((error: unknown) => {
    throw toFailure(error);
  });
  const found = await explainConfig(source.config, request).catch((error: unknown) => {
    throw toFailure(error, source);
  });
  process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : showExplanation(found));
}

async function toRequest(options: ExplainOptions): Promise<ExplainRequest> {
  const { model, target, body: file, headers: given, listener } = options;
  if (model === undefined && target.length === 0) {
    throw usageError(
      "what is to be explained?",
      "plugboard explain --model NAME, or plugboard explain POST /v1/chat/completions --body FILE",
    );
  }
  if (model !== undefined && file !== undefined)
    throw usageError("--model and --body both make a body", "drop one of them");
  const body = file === undefined ? toBody(model) : await readBody(file);
  const [method, path] = splitTarget(target, body !== undefined);
  const headers = { ...(body !== undefined && { "content-type": "application/json" }), ...toHeaders(given) };
  const draws = toWhole("n", options.n, 1_000_000);
  const seed = toWhole("seed", options.seed, 2 ** 31);
  return {
    method,
    path,
    headers,
    ...(listener !== undefined && { listener }),
    ...(body !== undefined && { body }),
    ...(draws !== undefined && { draws }),
    ...(seed !== undefined && { seed }),
  };
}

function toWhole(flag: string, given: string | undefined, most: number): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (/^\d+$/u.test(given) && value <= most) return value;
  throw usageError(`--${flag} "${given}" is no whole number up to ${most}`, "as in: --n 1000 --seed 7");
}

function toBody(model: string | undefined): string | undefined {
  return model === undefined ? undefined : JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] });
}

async function readBody(file: string): Promise<string> {
  if (file === "-") return text(process.stdin);
  return readFile(file, "utf8").catch((error: unknown) => {
    throw usageError(`--body ${file} cannot be read: ${textOf(error)}`);
  });
}

function splitTarget(target: readonly string[], hasBody: boolean): [method: string, path: string] {
  const path = target.at(-1) ?? "/v1/chat/completions";
  if (!path.startsWith("/"))
    throw usageError(`"${path}" is no path`, "a path begins with a slash: plugboard explain GET /v1/models");
  const [method] = target.length > 1 ? target : [hasBody ? "POST" : "GET"];
  return [(method ?? "GET").toUpperCase(), path];
}

function toHeaders(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((header) => {
      const [, name, value] = /^([^\s:]+)\s*:\s*(.*)$/u.exec(header) ?? [];
      if (name === undefined || value === undefined)
        throw usageError(`--header "${header}" is no header`, 'as in --header "x-team: search"');
      return [name.toLowerCase(), value];
    }),
  );
}
