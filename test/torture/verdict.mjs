/** Collects the cases of a row: it is kept when none of them failed, and says which was the first that did. */
export function createCases() {
  let tried = 0;
  const failed = [];
  return {
    /** Runs one case; what it throws is why it failed. */
    async try(name, run) {
      tried++;
      try {
        await run();
      } catch (error) {
        failed.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    verdict(what) {
      const kept = failed.length === 0 && tried > 0;
      const first = kept ? "" : `; first that did not: ${failed[0] ?? "none was tried"}`;
      return { kept, figure: `${tried - failed.length} of ${tried} ${what}${first}` };
    },
  };
}

/** @throws what `message` says, unless it holds */
export function must(holds, message) {
  if (!holds) throw new Error(message);
}

export function mustEqual(value, wanted, what) {
  const [left, right] = [JSON.stringify(value), JSON.stringify(wanted)];
  must(left === right, `${what} is ${left}, not ${right}`);
}

/** The value below which this share of them lies. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
