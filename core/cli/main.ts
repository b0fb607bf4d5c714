#!/usr/bin/env node
import { stripVTControlCharacters } from "node:util";
import { renderUsage } from "citty";
import { suggest } from "../config/suggest.ts";
import { drain, status, undrain } from "./admin-commands.ts";
import { hintAt } from "./args.ts";
import { beforeRest, type Command } from "./command.ts";
import { check, explain, init, serve, test } from "./commands.ts";
import { babysit, mock, registry, router } from "./fleet-commands.ts";
import { Failure, usageError } from "./failure.ts";
import { createOutput } from "./output.ts";
import { version } from "./version.ts";

const commands: Readonly<Record<string, Command>> = {
  serve,
  init,
  check,
  explain,
  test,
  status,
  drain,
  undrain,
  router,
  registry,
  babysit,
  mock,
};

async function main(raw: readonly string[]): Promise<void> {
  const [first = ""] = raw;
  if (first === "help") return print(await usage());
  return first === "" || first.startsWith("-") ? serveOrTell(raw) : runNamed(first, raw.slice(1));
}

async function serveOrTell(raw: readonly string[]): Promise<void> {
  if (raw.includes("--version") || raw.includes("-v")) return print(version);
  return asksForHelp(raw) ? print(await usage()) : serve.run(raw);
}

async function runNamed(name: string, raw: readonly string[]): Promise<void> {
  const found = commands[name];
  if (found === undefined) throw unknownCommand(name);
  return asksForHelp(raw) ? print(await renderUsage(found.definition)) : found.run(raw);
}

function asksForHelp(raw: readonly string[]): boolean {
  const own = beforeRest(raw);
  return own.includes("--help") || own.includes("-h");
}

function usage(): Promise<string> {
  const subCommands = Object.fromEntries(Object.entries(commands).map(([name, { definition }]) => [name, definition]));
  const meta = { name: "plugboard", version, description: "Plugin-based programmable proxy for HTTP and LLM backends" };
  return renderUsage({ meta, args: serve.definition.args, subCommands });
}

function print(text: string): void {
  process.stdout.write(`${process.stdout.isTTY ? text : stripVTControlCharacters(text)}\n`);
}

function unknownCommand(word: string): Failure {
  const names = Object.keys(commands);
  const near = suggest(word, names);
  const fix = near === undefined ? `the commands are ${names.join(", ")}` : `did you mean plugboard ${near}?`;
  return usageError(`unknown command ${word}`, hintAt(word) ?? fix);
}

const raw = process.argv.slice(2);
try {
  await main(raw);
} catch (error) {
  const failure = error instanceof Failure ? error : new Failure(1, String(error), { cause: error });
  createOutput(raw.includes("--json")).warn("failed", failure);
  process.exit(failure.exitCode);
}
