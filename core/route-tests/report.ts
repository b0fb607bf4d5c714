import { colors } from "consola/utils";
import type { Difference } from "./difference.ts";
import { lineDiff } from "./line-diff.ts";
import { toCommand } from "./request.ts";
import { drawsOf, type RouteTestResult } from "./run.ts";

/** The results of one file, and how it and its config are shown. */
export interface FileReport {
  readonly file: string;
  readonly config: string;
  /** Words that make `explain` take the same config. */
  readonly options: readonly string[];
  readonly results: readonly RouteTestResult[];
}

export interface JsonReport {
  readonly passed: number;
  readonly failed: number;
  readonly tests: readonly {
    readonly name: string;
    readonly file: string;
    readonly line: number | undefined;
    readonly ok: boolean;
    readonly differences: readonly Difference[];
  }[];
}

/** Values longer than this are shown line by line. */
const longest = 60;
const mostShown = 40;

/** What a program reads. */
export function toJsonReport(files: readonly FileReport[]): JsonReport {
  const tests = files.flatMap(({ file, results }) =>
    results.map(({ name, line, ok, differences }) => ({ name, file, line, ok, differences })),
  );
  return { ...count(files), tests };
}

/** What a person reads: a line for each test, what differs under it, and the sum last. */
export function showReport(files: readonly FileReport[]): string {
  const { passed, failed } = count(files);
  const blocks = files.map((file) => {
    const head = `${colors.bold(file.file)}  ${colors.dim(file.config)}`;
    return [head, ...file.results.flatMap((result) => showResult(result, file))].join("\n");
  });
  const sum = `${passed} passed, ${failed} failed`;
  return `${blocks.join("\n\n")}\n\n${failed === 0 ? colors.green(sum) : colors.red(sum)}\n`;
}

function count(files: readonly FileReport[]): { passed: number; failed: number } {
  const results = files.flatMap((file) => file.results);
  const passed = results.filter(({ ok }) => ok).length;
  return { passed, failed: results.length - passed };
}

function showResult(result: RouteTestResult, { file, options }: FileReport): string[] {
  const { name, line, ok, differences } = result;
  if (ok) return [`  ${colors.green("✔")} ${name}`];
  const place = line === undefined ? "" : `  ${colors.dim(`${file}:${line}`)}`;
  return [
    `  ${colors.red("✖")} ${name}${place}`,
    ...differences.flatMap(showDifference).map((row) => `      ${row}`),
    `      ${colors.cyan("→")} ${showCommand(result, options)}`,
  ];
}

function showCommand({ test, states }: RouteTestResult, options: readonly string[]): string {
  const { draws, seed } = drawsOf(test);
  const drawn = draws === undefined ? [] : ["--n", String(draws), "--seed", String(seed)];
  const command = toCommand(test.request, [...drawn, ...options]);
  return Object.keys(states).length === 0 ? command : `${command}  ${colors.dim("# with all targets up and idle")}`;
}

function showDifference({ path, expected, received, hint }: Difference): string[] {
  const because = hint === undefined ? "" : colors.dim(` (${hint})`);
  // What a function of the test threw has its own words for both.
  if (path === "expect") return `expect: ${String(received)}`.split("\n");
  const [wanted, got] = [toText(expected), received === null ? "nothing" : toText(received)];
  const isShort = [wanted, got].every((text) => text.length <= longest && !text.includes("\n"));
  if (isShort) return [`${path}: expected ${colors.green(wanted)}, got ${colors.red(got)}${because}`];
  const rows = lineDiff(toLines(expected), toLines(received)).map(paint);
  const more = rows.length - mostShown;
  const rest = more > 0 ? [colors.dim(`  and ${more} more lines`)] : [];
  return [`${path}:${because}`, ...[...rows.slice(0, mostShown), ...rest].map((row) => `  ${row}`)];
}

function toText(value: unknown): string {
  if (typeof value === "string") return value === "" ? '""' : value;
  const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
  return isList ? value.join(", ") || "none" : JSON.stringify(value);
}

function toLines(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function paint(row: string): string {
  return row.startsWith("- ") ? colors.green(row) : row.startsWith("+ ") ? colors.red(row) : colors.dim(row);
}
