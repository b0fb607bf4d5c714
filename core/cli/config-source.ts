import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { Mode } from "../contract/setup.ts";
import { type ConfigProblem, isConfigError } from "../config/config-error.ts";
import { frame, locate } from "../config/frame.ts";
import { hideSecrets } from "../config/hide-secrets.ts";
import { findConfig, loadConfig, type LoadOptions } from "../config/load.ts";
import { isConfigLoadError, type Place, toLoadError } from "../config/load-error.ts";
import { Failure, type Problem, usageError } from "./failure.ts";
import { textOf } from "../errors.ts";

/** A config that a command works on, and where it was read. */
export interface ConfigSource {
  readonly config: ProxyConfig;
  /** Absolute; undefined when it was put together from flags. */
  readonly file: string | undefined;
  readonly files: readonly string[];
}

/** The path that was asked for, or the config of this directory. */
export function configPath(asked: string | undefined): string {
  const found = asked === undefined ? findConfig(process.cwd()) : resolve(asked);
  if (found !== undefined) return found;
  throw usageError(
    `there is no proxy.config.ts in ${process.cwd()}`,
    "write one with: plugboard init, name one with --config, or go without: plugboard --target http://127.0.0.1:8001",
  );
}

/** @throws ConfigLoadError */
export async function readConfig(file: string, mode: Mode, options?: LoadOptions): Promise<ConfigSource> {
  const { config, files } = await loadConfig(file, options);
  if (typeof config !== "function") return { config, file, files };
  try {
    return { config: await config({ mode }), file, files };
  } catch (error) {
    throw toLoadError(error, { file, files, modules: {} });
  }
}

/** Puts an error into words: a refused config with the places in its source, anything else as a failure. */
export function toFailure(error: unknown, source?: Pick<ConfigSource, "config" | "files">): Failure {
  if (error instanceof Failure) return error;
  if (isConfigLoadError(error)) {
    const { message, fix, place = { file: error.file } } = error;
    const problem = { ...showPlace(place), message, ...(fix !== undefined && { fix }) };
    return new Failure(2, `${shorten(error.file)} could not be loaded`, { problems: [problem], cause: error });
  }
  if (isConfigError(error)) {
    const problems = error.problems.map((problem) => describe(problem, source));
    const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
    const name = source?.files[0] === undefined ? "the config" : shorten(source.files[0]);
    return new Failure(2, `${name} has ${count}`, { problems, cause: error });
  }
  return new Failure(1, textOf(error), { cause: error });
}

export function shorten(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}

function describe(problem: ConfigProblem, source: Pick<ConfigSource, "config" | "files"> | undefined): Problem {
  const { plugin, path, received, fix } = problem;
  const place = source === undefined ? {} : showPlace(findPlace(problem, source));
  // Valibot says it in its message, and not shortened.
  const message = received === undefined ? problem.message : problem.message.replace(/ but received [^]*$/u, "");
  return {
    ...place,
    plugin,
    path,
    message,
    ...(received !== undefined && { received }),
    ...(fix !== undefined && { fix }),
  };
}

/** In the config, or in the first of its files that calls the plugin. */
function findPlace(
  { plugin, path, index }: ConfigProblem,
  { config, files }: Pick<ConfigSource, "config" | "files">,
): Partial<Place> {
  const name = plugin.replace(/^plugins\[\d+\] ?/u, "");
  const option = name === "" && index >= 0 ? `plugins.${index}` : path;
  const nth = namesBefore(config, index).filter((other) => other === name).length;
  for (const file of files) {
    const place = locate(readFileSync(file, "utf8"), name, option, nth);
    if (place !== undefined) return { file, ...place };
  }
  return { file: files[0] };
}

function namesBefore({ plugins }: ProxyConfig, index: number): string[] {
  const flat = Array.isArray(plugins) ? plugins.flat().filter(Boolean) : [];
  return flat.slice(0, Math.max(0, index)).map((plugin: unknown) => nameOf(plugin));
}

function nameOf(plugin: unknown): string {
  return typeof plugin === "object" && plugin !== null && "name" in plugin ? String(plugin.name) : "";
}

function showPlace({ file, line, column }: Partial<Place>): Partial<Problem> {
  if (file === undefined) return {};
  if (line === undefined || column === undefined) return { file: shorten(file) };
  return { file: shorten(file), line, column, frame: frame(hideSecrets(readFileSync(file, "utf8")), line, column) };
}
