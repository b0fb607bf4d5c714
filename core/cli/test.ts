import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { consola } from "consola";
import { assumeVariables } from "../config/env.ts";
import { frame } from "../config/frame.ts";
import { findConfig } from "../config/load.ts";
import { type FileReport, showReport, toJsonReport } from "../route-tests/report.ts";
import { runTable } from "../route-tests/run.ts";
import { type PlacedMistake, readTable, type RouteTable } from "../route-tests/table.ts";
import { configPath, type ConfigSource, readConfig, shorten, toFailure } from "./config-source.ts";
import { Failure, type Problem, usageError } from "./failure.ts";

export interface TestOptions {
  /** Tables of route tests. @default those beside the config */
  readonly files: readonly string[];
  readonly config?: string;
  readonly json: boolean;
}

const names = ["routes.yaml", "routes.yml", "routes.json", "routes.ts"];

/** Runs tables of requests and expected routes against a config, without a network; exit code 1 if one differs. */
export async function test({ files, config: asked, json }: TestOptions): Promise<void> {
  // Each test sets the config up anew: what it says of itself would be said as often, and is for `check`.
  consola.level = 0;
  // Keys are where the proxy runs, not where its config is tested.
  assumeVariables();
  const tables = await readTables(files.length === 0 ? findTables(asked) : files);
  const configs = new Map<string, ConfigSource>();
  const reports: FileReport[] = [];
  const mistakes: PlacedMistake[] = [];
  for (const table of tables) {
    const file = configOf(table, asked);
    const source = configs.get(file) ?? (await readConfig(file, "check").catch(fail));
    configs.set(file, source);
    const run = await runTable(table, source.config).catch((error: unknown) => fail(error, source));
    mistakes.push(...run.mistakes);
    const options = file === findConfig(process.cwd()) ? [] : ["--config", shorten(file)];
    reports.push({ file: shorten(table.file), config: shorten(file), options, results: run.results });
  }
  refuse(mistakes);
  const report = toJsonReport(reports);
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : showReport(reports));
  if (report.failed > 0) process.exitCode = 1;
}

function fail(error: unknown, source?: ConfigSource): never {
  throw toFailure(error, source);
}

async function readTables(files: readonly string[]): Promise<RouteTable[]> {
  const read = await Promise.all(files.map(readTable));
  refuse(read.flatMap(({ mistakes = [] }) => mistakes));
  return read.flatMap((found) => (found.mistakes === undefined ? [found.table] : []));
}

/** The table's own, else the one that was asked for, else the one beside the table or of this directory. */
function configOf({ file, config }: RouteTable, asked: string | undefined): string {
  return config ?? (asked === undefined ? findConfig(dirname(file)) : undefined) ?? configPath(asked);
}

function findTables(asked: string | undefined): string[] {
  const directory = dirname(configPath(asked));
  const found = names.map((name) => join(directory, name)).filter((file) => existsSync(file));
  if (found.length > 0) return found;
  const place = relative(process.cwd(), directory) || "this directory";
  throw usageError(`there is no ${names[0]} in ${place}`, "name the files to run: plugboard test FILE...");
}

/** All that is wrong with all files at once. */
function refuse(mistakes: readonly PlacedMistake[]): void {
  if (mistakes.length === 0) return;
  const files = [...new Set(mistakes.map(({ file }) => shorten(file)))];
  const count = mistakes.length === 1 ? "one problem" : `${mistakes.length} problems`;
  const what = files.length === 1 ? `${files[0]} has ${count}` : `${files.length} files have ${count}`;
  throw new Failure(2, what, { problems: mistakes.map(toProblem) });
}

function toProblem({ file, position, ...problem }: PlacedMistake): Problem {
  if (position === undefined) return { ...problem, file: shorten(file) };
  const { line, column } = position;
  return { ...problem, file: shorten(file), line, column, frame: frame(readFileSync(file, "utf8"), line, column) };
}
