/**
 * A count over the last while, in buckets, among other numbers: the memory it takes does not grow with what is
 * counted. What lies between a whole window and one less a bucket is counted. Its numbers begin at `at` with that of the
 * newest bucket since the clock began, and the sum of all.
 */
export const buckets = 24;

/** Numbers that a window takes. */
export const windowWidth: number = 2 + buckets;

/** Where in a window its sum stands. */
export const sumAt = 1;

export function addTo(numbers: Float64Array, at: number, now: number, amount: number): void {
  if (now > numbers[at]!) advance(numbers, at, now);
  // A clock that was set back counts into the newest.
  numbers[at + 2 + (numbers[at]! % buckets)]! += amount;
  numbers[at + sumAt]! += amount;
}

/** Goes on to bucket `now`, which is newer than what begins there, so that its sum is of that time. */
export function advance(numbers: Float64Array, at: number, now: number): void {
  const first = at + 2;
  const steps = Math.min(buckets, now - numbers[at]!);
  for (let step = 0; step < steps; step++) numbers[first + ((now - step) % buckets)] = 0;
  numbers[at] = now;
  // Summed anew: what is taken from a sum again and again leaves its rounding behind.
  let total = 0;
  for (let i = 0; i < buckets; i++) total += numbers[first + i]!;
  numbers[at + sumAt] = total;
}
