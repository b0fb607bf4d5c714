export interface Rate {
  /** Takes one; 0, or the seconds until there is one to take. */
  take(address: string): number;
  /** Forgets those who could take all that there is. */
  sweep(): void;
}

interface Bucket {
  left: number;
  at: number;
}

/** Seconds of the rate that can be saved up for a moment when all come at once. */
const burst = 10;
const mostAddresses = 10_000;

/** A bucket of tokens for each address. */
export function createRate(perSecond: number, now: () => number): Rate {
  const buckets = new Map<string, Bucket>();

  function fill(bucket: Bucket): number {
    const time = now();
    bucket.left = Math.min(perSecond * burst, bucket.left + ((time - bucket.at) / 1_000) * perSecond);
    bucket.at = time;
    return bucket.left;
  }

  function add(address: string): Bucket {
    // The first was seen first: of those that come from everywhere one is as good as another.
    const [oldest] = buckets.keys();
    if (buckets.size >= mostAddresses && oldest !== undefined) buckets.delete(oldest);
    const bucket = { left: perSecond * burst, at: now() };
    buckets.set(address, bucket);
    return bucket;
  }

  return {
    take(address) {
      const bucket = buckets.get(address) ?? add(address);
      if (fill(bucket) < 1) return Math.max(1, Math.ceil((1 - bucket.left) / perSecond));
      bucket.left -= 1;
      return 0;
    },
    sweep() {
      for (const [address, bucket] of buckets) if (fill(bucket) >= perSecond * burst) buckets.delete(address);
    },
  };
}
