import { consola, LogLevels } from "consola";
import { expect, onTestFinished, test } from "vitest";
import { applyRustLog, parseRustLog } from "../../../core/cli/rust-log.ts";

test.each([
  ["off", LogLevels.silent],
  ["error", LogLevels.error],
  ["warn", LogLevels.warn],
  ["info", LogLevels.info],
  ["DEBUG", LogLevels.debug],
  ["trace", LogLevels.trace],
  ["4", LogLevels.debug],
])("%s is a level", (text, level) => {
  expect(parseRustLog(text)).toBe(level);
});

test.each([
  ["infini_router=debug", LogLevels.debug],
  ["warn,infini_router=debug,hyper=trace", LogLevels.debug],
  ["infini_registry=trace, hyper=warn", LogLevels.trace],
  ["infini_router::proxy=debug", LogLevels.debug],
  ["infini_router", LogLevels.trace],
  ["hyper,info", LogLevels.info],
  ["hyper=trace,warn", LogLevels.warn],
])("of %s what is about this program counts, then what is about all", (text, level) => {
  expect(parseRustLog(text)).toBe(level);
});

test.each(["", "hyper=debug", ",", "tower_http::trace=debug"])("%j says nothing of this program", (text) => {
  expect(parseRustLog(text)).toBeUndefined();
});

test.each([
  ["verbose", "RUST_LOG verbose is no log level"],
  ["infini_router=loud", '"loud" in RUST_LOG infini_router=loud is no log level'],
])("%s is refused by name, with the levels there are", (text, message) => {
  expect(() => parseRustLog(text)).toThrow(
    expect.objectContaining({
      message,
      exitCode: 2,
      fix: "set it to off, error, warn, info, debug or trace",
    }),
  );
});

test("the level becomes that of the log, and without RUST_LOG it stays", () => {
  const { level } = consola;
  onTestFinished(() => void (consola.level = level));
  applyRustLog({ RUST_LOG: "warn" });
  expect(consola.level).toBe(LogLevels.warn);
  applyRustLog({});
  expect(consola.level).toBe(LogLevels.warn);
});
