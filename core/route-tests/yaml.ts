import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Position } from "../config/frame.ts";
import type { Fault, Source } from "./source.ts";
import { textOf } from "../errors.ts";

/** Reads YAML 1.2, and JSON, of which that is a superset, with the place of everything that it says. */
export function readYaml(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
    logLevel: "error",
  });
  const faults = faultsOf(document, lines);
  if (faults.length > 0) return { faults };
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { value, locate: (path) => locate(document, lines, path) };
  } catch (error) {
    return { faults: [aliasFault(error, text, lines)] };
  }
}

/** One to a line, and few of them: after the first the others mostly follow from it. */
function faultsOf({ errors, warnings }: Document.Parsed, lines: LineCounter): Fault[] {
  const found = new Map<number, Fault>();
  for (const { message, pos } of [...errors, ...warnings]) {
    const position = toPosition(lines, pos[0]);
    if (!found.has(position.line)) found.set(position.line, { message: firstLine(message), position });
  }
  return [...found.values()].slice(0, 5);
}

/** An alias without an anchor, or aliases of aliases that would fill the memory. */
function aliasFault(error: unknown, text: string, lines: LineCounter): Fault {
  const message = firstLine(textOf(error));
  const [, name] = /^Unresolved alias .*: (\S+)$/.exec(message) ?? [];
  const at = name === undefined ? -1 : text.indexOf(`*${name}`);
  return at === -1 ? { message } : { message, position: toPosition(lines, at) };
}

/** The key at a path, or the entry of a list; what is not there is shown at its parent. */
function locate(document: Document.Parsed, lines: LineCounter, path: readonly string[]): Position | undefined {
  let node: unknown = document.contents;
  let start = startOf(node);
  for (const key of path) {
    const found = step(isAlias(node) ? node.resolve(document) : node, key);
    if (found === undefined) break;
    start = startOf(found.at) ?? start;
    node = found.value;
  }
  return start === undefined ? undefined : toPosition(lines, start);
}

function step(node: unknown, key: string): { readonly at: unknown; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)];
    return item === undefined ? undefined : { at: item, value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
  return pair && { at: pair.key, value: pair.value };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function toPosition(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
