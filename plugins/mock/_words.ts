/** A word with the space before it is a token here. */
export function toWords(text: string): string[] {
  return text.match(/\s*\S+/g) ?? [];
}

export function countWords(text: string): number {
  return toWords(text).length;
}
