/**
 * The line on which a TOML file sets a value, counted from 1; of a value that is not written out on a line of its own, that
 * of what it is in. Reads the lines, not the syntax, as the parser tells no places.
 */
export function findLine(text: string, path: readonly string[]): number | undefined {
  let found: { readonly line: number; readonly depth: number } | undefined;
  for (const { line, keys } of readLines(text)) {
    const deeper = keys.length > (found?.depth ?? 0);
    if (deeper && keys.every((key, depth) => key === path[depth])) found = { line, depth: keys.length };
  }
  return found?.line;
}

interface SettingLine {
  readonly line: number;
  readonly keys: readonly string[];
}

/** Those that begin a table or set a value. */
function readLines(text: string): readonly SettingLine[] {
  let table: readonly string[] = [];
  return text.split("\n").flatMap((content, index) => {
    const line = index + 1;
    const header = /^\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?$/u.exec(content)?.[1];
    if (header !== undefined) {
      table = toKeys(header);
      return { line, keys: table };
    }
    const key = /^((?:[\w.\s-]|"[^"]*"|'[^']*')+)=/u.exec(content)?.[1];
    return key === undefined ? [] : { line, keys: [...table, ...toKeys(key)] };
  });
}

/** `a."b.c"` */
function toKeys(text: string): readonly string[] {
  const matches = text.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/gu);
  return [...matches].map(([, basic, literal, bare]) => basic ?? literal ?? bare ?? "");
}
