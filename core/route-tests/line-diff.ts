/** Texts with more lines are not compared line by line: the table grows with the product. */
const mostLines = 500;

/** The lines of two texts with `- `, `+ ` or two spaces before them: only expected, only received, or both. */
export function lineDiff(expected: string, received: string): string[] {
  const [a, b] = [expected.split("\n"), received.split("\n")];
  if (a.length > mostLines || b.length > mostLines) return [...mark("- ", a), ...mark("+ ", b)];
  const lengths = commonLengths(a, b);
  const common = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push(`  ${a[i++]}`);
      j += 1;
    } else if (common(i + 1, j) >= common(i, j + 1)) lines.push(`- ${a[i++]}`);
    else lines.push(`+ ${b[j++]}`);
  }
  return [...lines, ...mark("- ", a.slice(i)), ...mark("+ ", b.slice(j))];
}

/** `[i][j]`: how many lines `a` from `i` and `b` from `j` have in common, in order. */
function commonLengths(a: readonly string[], b: readonly string[]): number[][] {
  const lengths = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = a.length - 1; i >= 0; i--) {
    const [row = [], below = []] = [lengths[i], lengths[i + 1]];
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] = a[i] === b[j] ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return lengths;
}

function mark(sign: string, lines: readonly string[]): string[] {
  return lines.map((line) => sign + line);
}
