import { consola, LogLevels } from "consola";
import { usageError } from "./failure.ts";

/** Consola's numbers for the levels of Rust's log; both by name and by the digits that env filters take. */
const levels: ReadonlyMap<string, number> = new Map([
  ["off", LogLevels.silent],
  ["error", LogLevels.error],
  ["warn", LogLevels.warn],
  ["info", LogLevels.info],
  ["debug", LogLevels.debug],
  ["trace", LogLevels.trace],
  ...[LogLevels.silent, LogLevels.error, LogLevels.warn, LogLevels.info, LogLevels.debug, LogLevels.trace].map(
    (level, digit): [string, number] => [String(digit), level],
  ),
]);

/**
 * The level that `RUST_LOG` asks for, as consola counts; undefined when it says nothing of this program. Directives are
 * separated by commas: a level for all, or `crate=level`, of which only those of `infini_*` crates count, before the
 * one for all: https://docs.rs/env_logger/latest/env_logger/#enabling-logging
 *
 * @throws Failure that names what is no level
 */
export function parseRustLog(text: string): number | undefined {
  const directives = text.toLowerCase().split(",").map(toDirective);
  const own = directives.findLast(({ crate }) => /^infini[-_]/u.test(crate));
  if (own !== undefined) return own.level === undefined ? LogLevels.trace : levelOf(own.level, text);
  const bare = directives.filter(({ crate, level }) => crate !== "" && level === undefined);
  const all = bare.findLast(({ crate }) => levels.has(crate)) ?? bare[0];
  return all === undefined ? undefined : levelOf(all.crate, text);
}

interface Directive {
  /** Or the level for all. */
  readonly crate: string;
  readonly level: string | undefined;
}

/** A crate may go on to a module or a span, which nothing here is as fine as. */
function toDirective(text: string): Directive {
  const [, crate = "", level] = /^([^=[:]*)[^=]*(?:=(.*))?$/su.exec(text.trim()) ?? [];
  return { crate, level };
}

/** Sets how much is logged, if `RUST_LOG` is set; for the commands that take the place of InfiniLM's programs. */
export function applyRustLog({ RUST_LOG }: Readonly<Record<string, string | undefined>> = process.env): void {
  const level = parseRustLog(RUST_LOG ?? "");
  if (level !== undefined) consola.level = level;
}

function levelOf(level: string, text: string): number {
  const found = levels.get(level.trim());
  if (found === undefined) throw noLevel(level, text);
  return found;
}

function noLevel(word: string, text: string): Error {
  const where = word === text ? `RUST_LOG ${word}` : `"${word}" in RUST_LOG ${text}`;
  return usageError(`${where} is no log level`, "set it to off, error, warn, info, debug or trace");
}
