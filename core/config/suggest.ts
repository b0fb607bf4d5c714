/** Finds the candidate that a misspelt word was most likely meant to be; undefined unless it is a near miss. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance && distance <= tolerance(wanted, candidate)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Two slips in five letters: `prot` may be `port`, `sever` may be `serve`, `x` may not be `y`. */
function tolerance(word: string, candidate: string): number {
  return Math.floor(Math.max(word.length, candidate.length) * 0.4);
}

/** Damerau-Levenshtein in the optimal string alignment form: two swapped neighbours are one slip, not two. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substituted = at(last, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, substituted);
      if (a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      }
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

/** Cells outside of the table cost more than any path. */
function at(cells: readonly number[], index: number): number {
  return cells[index] ?? Infinity;
}
