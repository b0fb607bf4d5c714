import { type Token, tokenize } from "./_tokens.ts";

/** A place in a source text; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

const widest = 100;

/** Shows a line of a source with the lines around it and a caret under the column. */
export function frame(source: string, line: number, column: number): string {
  const lines = source.split(/\r?\n/);
  const start = Math.max(0, column - widest + 20);
  const gutter = String(Math.min(line + 1, lines.length)).length;
  const shown = [line - 1, line, line + 1].flatMap((number) => {
    const text = lines[number - 1];
    if (text === undefined) return [];
    const row = `${number === line ? ">" : " "} ${String(number).padStart(gutter)} | ${clip(text, start)}`.trimEnd();
    return number === line ? [row, `  ${" ".repeat(gutter)} | ${blank(text.slice(start, column - 1))}^`] : [row];
  });
  return shown.join("\n");
}

/**
 * Finds where a config sets an option of a plugin: `locate(source, "alias", "fast.targets.0.model")`; without a plugin,
 * of the config itself. `nth` tells several calls of one factory apart. Reads the source, not the value, so it ends at
 * the last step that is written out there: a missing option is shown at its parent, an unreadable argument at the call.
 */
export function locate(source: string, plugin: string, path: string, nth = 0): Position | undefined {
  const tokens = tokenize(source);
  const starts = plugin === "" ? findConfig(tokens) : findCalls(tokens, camelCase(plugin));
  const start = starts[nth] ?? starts[0];
  if (start === undefined) return undefined;
  const found = path === "" ? start : follow(tokens, { value: start + 2, seen: start, path });
  return toPosition(source, tokens[found]?.start ?? 0);
}

export function toPosition(source: string, offset: number): Position {
  const before = source.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

function clip(text: string, start: number): string {
  const end = start + widest;
  return `${text.slice(start, end)}${text.length > end ? "…" : ""}`;
}

/** Keeps tabs, so that the caret stands under its column at any tab width. */
function blank(text: string): string {
  return text.replace(/[^\t]/g, " ");
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `defineProxy(`, or else `export default`: in both, what is exported comes two tokens later or by that name. */
function findConfig(tokens: readonly Token[]): number[] {
  const calls = findCalls(tokens, "defineProxy");
  const exports = tokens.flatMap((token, index) =>
    token.text === "export" && tokens[index + 1]?.text === "default" ? [index] : [],
  );
  return [...calls, ...exports];
}

/** Indices of the factory's name where it is called: not where it is imported, declared, or another object's method. */
function findCalls(tokens: readonly Token[], name: string): number[] {
  return tokens.flatMap((token, index) => {
    const called = token.kind === "word" && token.text === name && tokens[index + 1]?.text === "(";
    return called && tokens[index - 1]?.text !== "function" ? [index] : [];
  });
}

interface Step {
  /** Where the value to look into begins. */
  readonly value: number;
  /** The last thing that was found. */
  readonly seen: number;
  readonly path: string;
}

function follow(tokens: readonly Token[], step: Step): number {
  const value = resolveName(tokens, step.value);
  const members = readMembers(tokens, value)
    .filter(({ key }) => step.path === key || step.path.startsWith(`${key}.`))
    // A key may hold dots ("gpt-4.1"), so of all that fit the longest is meant.
    .toSorted((a, b) => b.key.length - a.key.length);
  const [member] = members;
  if (member === undefined) return step.seen;
  const rest = step.path.slice(member.key.length + 1);
  return rest === "" ? member.at : follow(tokens, { value: member.value, seen: member.at, path: rest });
}

/** Goes from a bare name to what it was declared as: `alias(routes)` to the `{` of `const routes = {`. */
function resolveName(tokens: readonly Token[], index: number): number {
  const token = tokens[index];
  if (token?.kind !== "word") return index;
  const declared = tokens.findIndex(
    ({ text }, at) => ["const", "let", "var"].includes(text) && tokens[at + 1]?.text === token.text,
  );
  if (declared === -1) return index;
  const assigned = tokens.findIndex(
    ({ text }, at) => at > declared && (text === ";" || (text === "=" && tokens[at + 1]?.text !== ">")),
  );
  return tokens[assigned]?.text === "=" ? assigned + 1 : index;
}

interface Member {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

/** What is written directly in the `{` or `[` at an index. */
function readMembers(tokens: readonly Token[], open: number): Member[] {
  const isArray = tokens[open]?.text === "[";
  if (!isArray && tokens[open]?.text !== "{") return [];
  const members: Member[] = [];
  let at = open + 1;
  for (let position = 0; at < tokens.length && !isClose(tokens[at]); position++) {
    const token = tokens[at];
    if (isArray) members.push({ key: String(position), at, value: at });
    else if (token !== undefined && token.kind !== "sign")
      members.push({ key: token.text, at, value: valueOf(tokens, at) });
    at = skipMember(tokens, at);
  }
  return members;
}

/** The value behind `key:`, or the name itself in a shorthand. */
function valueOf(tokens: readonly Token[], key: number): number {
  return tokens[key + 1]?.text === ":" ? key + 2 : key;
}

function skipMember(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let at = from; at < tokens.length; at++) {
    if (depth === 0 && isClose(tokens[at])) return at;
    if (depth === 0 && isSign(tokens[at], ",")) return at + 1;
    depth += Number(isOpen(tokens[at])) - Number(isClose(tokens[at]));
  }
  return tokens.length;
}

function isOpen(token: Token | undefined): boolean {
  return isSign(token, "([{");
}

function isClose(token: Token | undefined): boolean {
  return isSign(token, ")]}");
}

function isSign(token: Token | undefined, signs: string): boolean {
  return token?.kind === "sign" && signs.includes(token.text);
}
