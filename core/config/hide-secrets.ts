import { isSecretPlace, withoutSecrets } from "./show-value.ts";
import { type Token, tokenize } from "./_tokens.ts";

/**
 * The text of a config with stars in the place of what is written down behind a name such as `key` or `headers`, or looks
 * like a secret; every other character keeps its place. For showing lines of it.
 */
export function hideSecrets(source: string): string {
  const tokens = tokenize(source);
  const containers: boolean[] = [false];
  let out = "";
  let end = 0;
  for (const [index, token] of tokens.entries()) {
    if (isOpening(token)) containers.push(token.text !== "(" && isBehindSecretName(tokens, index));
    if (isClosing(token) && containers.length > 1) containers.pop();
    if (token.kind !== "text") continue;
    // Also names: a table of keys has them on its left side.
    const hidden =
      containers.at(-1) === true || isBehindSecretName(tokens, index) || withoutSecrets(token.text) !== token.text;
    if (!hidden) continue;
    const start = token.start + 1;
    out += source.slice(end, start) + token.text.replace(/[^\r\n]/g, "*");
    end = start + token.text.length;
  }
  return out + source.slice(end);
}

/** `apiKey: "..."`, `"x-api-key": "..."`, `const token = "..."` */
function isBehindSecretName(tokens: readonly Token[], index: number): boolean {
  const sign = tokens[index - 1]?.text;
  const name = tokens[index - 2];
  return (sign === ":" || sign === "=") && name !== undefined && name.kind !== "sign" && isSecretPlace(name.text);
}

function isOpening({ kind, text }: Token): boolean {
  return kind === "sign" && "([{".includes(text);
}

function isClosing({ kind, text }: Token): boolean {
  return kind === "sign" && ")]}".includes(text);
}
