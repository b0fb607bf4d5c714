import * as v from "valibot";
import { showValue } from "../../core/config/show-value.ts";
import type { BabysitProblem } from "./_babysit-toml.ts";
import { type Engine, typeNames } from "./_babysit-toml-engine.ts";
import { urlSchema } from "./_babysit-toml-schema.ts";
import { isOpenQuote, splitWords } from "./_babysit-toml-words.ts";

/** In whatever case it is written. */
export function toType(text: string, problems: BabysitProblem[]): Engine["type"] | undefined {
  const types = Object.entries(typeNames) as [Engine["type"], string][];
  const found = types.find(([, name]) => name.toLowerCase() === text.toLowerCase())?.[0];
  const message = `Expected one of ${types.map(([, name]) => name).join(", ")}`;
  if (found === undefined) problems.push({ path: "--service-type", message, received: showValue(text) });
  return found;
}

/** What is no number is left to the schema to refuse. */
export function toNumber(text: string | undefined): number | string | undefined {
  return text !== undefined && /^-?\d+(?:\.\d+)?$/u.test(text) ? Number(text) : text;
}

export function toWords(text: string | undefined, flag: string, problems: BabysitProblem[]): readonly string[] {
  const words = splitWords(text ?? "");
  if (!isOpenQuote(words)) return words;
  problems.push(openQuote(flag, words.quote));
  return [];
}

export function openQuote(path: string, quote: string): BabysitProblem {
  return { path, message: `${quote} is not closed in it`, fix: "close the quote, or pass the command behind --" };
}

export function toVariables(texts: readonly string[], problems: BabysitProblem[]): Record<string, string> {
  const words = texts.flatMap((text) => toWords(text, "--env", problems));
  // What it was is not told: it may be a secret whose name is missing.
  if (words.some((word) => !/^[^=]+=/u.test(word)))
    problems.push({ path: "--env", message: "Expected NAME=value", fix: "put quotes around a value with spaces" });
  return Object.fromEntries(words.map((word) => [word.split("=", 1)[0] ?? "", word.slice(word.indexOf("=") + 1)]));
}

export function checkUrl(text: string): readonly BabysitProblem[] {
  const { issues = [] } = v.safeParse(urlSchema, text);
  return issues.map(({ message }) => ({ path: "--registry-url", message, received: showValue(text) }));
}
