export interface Token {
  /** A `text` is a string or template literal, without its quotes. */
  readonly kind: "word" | "number" | "text" | "regex" | "sign";
  readonly text: string;
  readonly start: number;
}

const space = /\s+|\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)/y;
const word = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy;
const number = /\.?\d(?:[\w.]|(?<=e)[+-])*/iy;
const quoted = /"(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?/y;
const regex = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

/** Words after which a slash begins a regular expression, not a division. */
const operators = new Set(["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "await", "yield"]);

/** Splits JavaScript or TypeScript into tokens without comments: enough to find a place in a config, no parser. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const skipped = match(space, source, at);
    if (skipped === "") {
      const { length, ...token } = readToken(source, at, tokens.at(-1));
      tokens.push({ ...token, start: at });
      at += length;
    }
    at += skipped.length;
  }
  return tokens;
}

interface Read extends Omit<Token, "start"> {
  readonly length: number;
}

function readToken(source: string, at: number, before: Token | undefined): Read {
  const letter = source.charAt(at);
  if (letter === "`") {
    const end = endOfTemplate(source, at + 1);
    return { kind: "text", text: source.slice(at + 1, end), length: end + 1 - at };
  }
  const literal = match(quoted, source, at);
  if (literal !== "") return { kind: "text", text: literal.slice(1, -1), length: literal.length };
  const pattern = startsValue(before) ? match(regex, source, at) : "";
  if (pattern !== "") return { kind: "regex", text: pattern, length: pattern.length };
  const name = match(word, source, at);
  if (name !== "") return { kind: "word", text: name, length: name.length };
  const digits = match(number, source, at);
  if (digits !== "") return { kind: "number", text: digits, length: digits.length };
  return { kind: "sign", text: letter, length: 1 };
}

function match(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? "";
}

function startsValue(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "word") return operators.has(before.text);
  return before.kind === "sign" && !")]}".includes(before.text);
}

/** The index of the closing backtick; a `${}` inside may hold templates of its own. */
function endOfTemplate(source: string, from: number): number {
  let at = from;
  while (at < source.length && source[at] !== "`") {
    if (source[at] === "\\") at += 2;
    else if (source.startsWith("${", at)) at = endOfPlaceholder(source, at + 2) + 1;
    else at++;
  }
  return Math.min(at, source.length);
}

function endOfPlaceholder(source: string, from: number): number {
  let depth = 0;
  let at = from;
  let before: Token | undefined;
  while (at < source.length && (depth > 0 || source[at] !== "}")) {
    const skipped = match(space, source, at);
    if (skipped === "") {
      const { length, ...token } = readToken(source, at, before);
      before = { ...token, start: at };
      if (token.kind === "sign" && token.text === "{") depth++;
      if (token.kind === "sign" && token.text === "}") depth--;
      at += length;
    }
    at += skipped.length;
  }
  return at;
}
