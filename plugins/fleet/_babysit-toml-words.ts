/** A text whose quotes are not closed. */
export interface OpenQuote {
  readonly quote: string;
}

/**
 * Splits a command line at spaces, as InfiniLM's babysitter does, but keeps together a word in `"..."` or `'...'`, and the
 * value in `--flag="..."`. Quotes within a word, such as those of JSON, are part of it. There is no shell, no variable and
 * no escape.
 */
export function splitWords(text: string): readonly string[] | OpenQuote {
  const words = [...text.matchAll(/([^\s"'=]+=)?(["'])(.*?)\2(?=\s|$)|\S+/gsu)].map(([whole, flag, quote, inner]) => ({
    word: quote === undefined ? whole : `${flag ?? ""}${inner}`,
    open: quote === undefined ? /^(?:[^\s"'=]+=)?(["'])/u.exec(whole)?.[1] : undefined,
  }));
  const quote = words.find(({ open }) => open !== undefined)?.open;
  return quote === undefined ? words.map(({ word }) => word) : { quote };
}

export function isOpenQuote(words: readonly string[] | OpenQuote): words is OpenQuote {
  return "quote" in words;
}
