/**
 * A token, after white space, which is less than `\s`: a sign, a string, or another scalar. A string is read in one way
 * only: one that is not closed, as in a file that is being written, must not be tried in all others.
 */
const token =
  /[ \t\r\n]*(?:([[\]{}:,])|("[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\u0000-\u001f]*)*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-]))/y;

type Expected = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or ]" | "comma or }" | "end of the file";

type Kind = "string" | "scalar" | "{" | "[" | "}" | "]" | ":" | ",";

type Step = Expected | "done" | "close";

/** What is expected after a token; `close` ends an object or a list, and so a value of what is around it. */
const values = { "{": "key or }", "[": "value or ]", string: "done", scalar: "done" } as const;
const steps: Readonly<Record<Expected, Readonly<Partial<Record<Kind, Step>>>>> = {
  value: values,
  "value or ]": { ...values, "]": "close" },
  key: { string: "colon" },
  "key or }": { string: "colon", "}": "close" },
  colon: { ":": "value" },
  "comma or ]": { ",": "value", "]": "close" },
  "comma or }": { ",": "key", "}": "close" },
  "end of the file": {},
};

/**
 * Finds where a text stops being JSON, and what was expected there. Node tells the place in some of its messages only,
 * and repeats what stands there, which may be a secret.
 */
export function findJsonFault(text: string): { readonly offset: number; readonly expected: string } {
  /** What comes after a value in each of the objects and lists that are open. */
  const open: Expected[] = [];
  let expected: Expected = "value";
  let end = 0;
  for (;;) {
    token.lastIndex = end;
    const kind = kindOf(token.exec(text));
    const step: Step | undefined = kind && steps[expected][kind];
    if (step === undefined) return { offset: skipSpace(text, end), expected };
    end = token.lastIndex;
    if (step === "key or }") open.push("comma or }");
    if (step === "value or ]") open.push("comma or ]");
    if (step === "close") open.pop();
    expected = step === "done" || step === "close" ? (open.at(-1) ?? "end of the file") : step;
  }
}

function kindOf(found: RegExpExecArray | null): Kind | undefined {
  if (found === null) return undefined;
  const [, sign, string] = found;
  if (sign !== undefined) return sign as Kind;
  return string === undefined ? "scalar" : "string";
}

function skipSpace(text: string, from: number): number {
  const found = text.slice(from).search(/[^ \t\r\n]/);
  return found === -1 ? text.length : from + found;
}
