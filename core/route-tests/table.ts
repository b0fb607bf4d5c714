import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Position } from "../config/frame.ts";
import type { RouteTests } from "./define.ts";
import { checkFormat, type Mistake } from "./format.ts";
import { readSource } from "./source.ts";

/** A mistake and where it is. */
export interface PlacedMistake extends Omit<Mistake, "path"> {
  readonly file: string;
  readonly path: string;
  readonly position: Position | undefined;
}

/** A file of route tests that can be run. */
export interface RouteTable {
  /** Absolute. */
  readonly file: string;
  readonly tests: RouteTests;
  /** Absolute, where the file names one. */
  readonly config: string | undefined;
  readonly locate: (path: readonly string[]) => Position | undefined;
}

export type ReadTable =
  | { readonly table: RouteTable; readonly mistakes?: undefined }
  | { readonly mistakes: readonly PlacedMistake[] };

/** Reads a file of route tests, or tells all that is wrong with it. */
export async function readTable(path: string): Promise<ReadTable> {
  const file = resolve(path);
  const source = await readSource(file);
  if (source.faults !== undefined) {
    return {
      mistakes: source.faults.map(({ position, fix, message }) => ({
        file: position !== undefined && "file" in position ? position.file : file,
        path: "",
        message,
        position,
        ...(fix !== undefined && { fix }),
      })),
    };
  }
  const { value, locate } = source;
  const checked = checkFormat(value);
  if (checked.mistakes !== undefined) return { mistakes: placeMistakes({ file, locate }, checked.mistakes) };
  const { tests } = checked;
  const config = tests.config === undefined ? undefined : resolve(dirname(file), tests.config);
  const table = { file, tests, config, locate };
  if (config === undefined || existsSync(config)) return { table };
  return { mistakes: placeMistakes(table, [{ path: ["config"], message: `there is no file ${config}` }]) };
}

/** In the order of the file. */
export function placeMistakes(
  { file, locate }: Pick<RouteTable, "file" | "locate">,
  mistakes: readonly Mistake[],
): PlacedMistake[] {
  return mistakes
    .map(({ path, ...mistake }) => ({ ...mistake, file, path: path.join("."), position: locate(path) }))
    .toSorted((a, b) => compare(a.position, b.position));
}

function compare(a: Position | undefined, b: Position | undefined): number {
  if (a === undefined || b === undefined) return 0;
  return a.line - b.line || a.column - b.column;
}
