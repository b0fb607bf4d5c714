/** One thing that is wrong with a config. */
export interface ConfigProblem {
  /** `plugins[3] alias`; empty for the config itself. */
  readonly plugin: string;
  /** `fast.targets.0.model`; empty for the plugin as a whole. */
  readonly path: string;
  readonly message: string;
  /** The value as it was given, shortened. */
  readonly received?: string;
  readonly fix?: string;
  /** Place in `plugins`, flattened; -1 for none. */
  readonly index: number;
}

/** Everything that is wrong with a config, at once. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    super(problems.map(toLine).join("\n"), options);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export function isConfigError(error: unknown): error is ConfigError {
  return error instanceof Error && error.name === "ConfigError" && "problems" in error;
}

/** A problem of one plugin or, with an empty name, of the whole config. */
export function configError(
  plugin: string,
  index: number,
  message: string,
  fix?: string,
  cause?: unknown,
): ConfigError {
  const label = index < 0 ? plugin : `plugins[${index}] ${plugin}`;
  return new ConfigError(
    [{ plugin: label, path: "", message, index, ...(fix === undefined ? {} : { fix }) }],
    cause === undefined ? undefined : { cause },
  );
}

function toLine(problem: ConfigProblem): string {
  const where = [problem.plugin, problem.path].filter(Boolean).join(": ");
  const received = problem.received === undefined ? "" : `, received ${problem.received}`;
  const fix = problem.fix === undefined ? "" : `; ${problem.fix}`;
  return `${where}${where ? ": " : ""}${problem.message}${received}${fix}`;
}
