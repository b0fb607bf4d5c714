/** A member of a JSON object, as it is spelt. */
export interface Member {
  readonly name: string;
  /** With its quotes and escapes. */
  readonly key: string;
  readonly value: string;
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},]/g;
const pair = /^("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*(.*)$/s;

/** The top-level members in order, doubles too; none for what is no JSON object. Not the scanner of the proxy, on purpose. */
export function membersOf(text: string): Member[] {
  if (!isObject(text)) return [];
  const edges = edgesOf(text);
  return edges.slice(1).flatMap((edge, i) => {
    const [, key = "", value = ""] = pair.exec(text.slice(edges[i]! + 1, edge).trim()) ?? [];
    return key === "" ? [] : { name: String(JSON.parse(key)), key, value };
  });
}

/** Of the outermost brace, the commas right within it, and the brace that closes it. */
function edgesOf(text: string): number[] {
  const edges: number[] = [];
  let depth = 0;
  for (const { 0: part, index } of text.matchAll(token)) {
    if (part === "}" || part === "]") depth--;
    if (part === "," ? depth === 1 : depth === 0) edges.push(index);
    if (part === "{" || part === "[") depth++;
  }
  return edges;
}

/** Spelling of all members of that name. */
export function valuesOf(members: readonly Member[], name: string): string[] {
  return members.filter((member) => member.name === name).map((member) => member.value);
}

/** The last one, parsed, as engines read it; undefined when there is none. */
export function parsed(members: readonly Member[], name: string): unknown {
  const value = valuesOf(members, name).at(-1);
  return value === undefined ? undefined : JSON.parse(value);
}

/** What the body of these members means. */
export function toJson(members: readonly Member[], text: string): Readonly<Record<string, unknown>> {
  return members.length === 0 ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
