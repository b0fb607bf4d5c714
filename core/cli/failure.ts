import { colors } from "consola/utils";

/** One thing that is wrong, as it is shown. */
export interface Problem {
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** `plugins[3] alias` */
  readonly plugin?: string;
  /** `fast.targets.0.model` */
  readonly path?: string;
  readonly received?: string;
  readonly fix?: string;
  /** The lines around the place. */
  readonly frame?: string;
}

interface FailureOptions extends ErrorOptions {
  readonly fix?: string | undefined;
  readonly problems?: readonly Problem[];
}

/** Why a command ends without having done what it was asked, in words for whoever asked. */
export class Failure extends Error {
  /** 1: it failed; 2: it was asked wrongly, by arguments or config. */
  readonly exitCode: 1 | 2;
  readonly fix: string | undefined;
  readonly problems: readonly Problem[];

  constructor(exitCode: 1 | 2, message: string, { fix, problems = [], ...options }: FailureOptions = {}) {
    super(message, options);
    this.name = "Failure";
    this.exitCode = exitCode;
    this.fix = fix;
    this.problems = problems;
  }
}

export function usageError(message: string, fix?: string): Failure {
  return new Failure(2, message, { fix });
}

export function showFailure({ message, fix, problems, cause, exitCode }: Failure): string {
  const head = `${colors.red("✖")} ${colors.bold(message)}\n${fix === undefined ? "" : `  ${colors.cyan("→")} ${fix}\n`}`;
  const trace = exitCode === 1 && fix === undefined ? showTrace(cause) : "";
  return [head + trace, ...problems.map(showProblem)].join("\n").trimEnd();
}

/** For what no one foresaw. */
function showTrace(cause: unknown): string {
  const rows = cause instanceof Error ? (cause.stack ?? "").split("\n").filter((row) => /^\s+at /u.test(row)) : [];
  return rows.map((row) => `${colors.dim(row)}\n`).join("");
}

function showProblem(problem: Problem): string {
  const { message, received, fix, frame } = problem;
  const rows = [
    showPlace(problem),
    `${message}${received === undefined ? "" : `, received ${colors.yellow(received)}`}`,
    fix === undefined ? "" : `${colors.cyan("→")} ${fix}`,
    frame === undefined ? "" : `\n${highlight(frame)}`,
  ];
  return `${rows
    .filter((row) => row !== "")
    .join("\n")
    .replace(/^(?=.)/gmu, "  ")}\n`;
}

function showPlace({ file, line, column, plugin, path }: Problem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  const option = [plugin, path].filter(Boolean).join(": ");
  return [colors.bold(place), colors.magenta(option)].filter((part) => part !== "").join("  ");
}

/** Dims all but the line that is meant and its caret. */
function highlight(frame: string): string {
  return frame
    .split("\n")
    .map((row) => (row.startsWith(">") ? row : row.trimEnd().endsWith("^") ? colors.red(row) : colors.dim(row)))
    .join("\n");
}
