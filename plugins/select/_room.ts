/**
 * What a target's upstream has told of its limits: until when it asked to be left alone, how many numbers of meters
 * follow that are known, then for each meter its limit, the part of it that is left, and when it is full again. Times are
 * milliseconds of the clock, a limit of 0 is not known. It is a row of a table, or a view of one.
 */
export type Room = Float64Array;

/** Place of a meter in the row. */
export type Meter = 2 | 5 | 8 | 11 | 14;

export const meter: Readonly<Record<"requests" | "tokens" | "inputTokens" | "outputTokens" | "rate", Meter>> = {
  requests: 2,
  tokens: 5,
  inputTokens: 8,
  outputTokens: 11,
  rate: 14,
};

const names: readonly (readonly [Meter, string])[] = [
  [meter.requests, "requests"],
  [meter.tokens, "tokens"],
  [meter.inputTokens, "input tokens"],
  [meter.outputTokens, "output tokens"],
  [meter.rate, "of its rate limit"],
];

/** Numbers of a row. */
export const roomWidth = 17;

const metersAt = 2;

const second = 1_000;
const minute = 60_000;
const hour = 3_600_000;

/** In place of a score, where nothing is known. */
export const unknown: number = Infinity;

export function setMeter(room: Room, at: Meter, limit: number, remaining: number, reset: number): void {
  room[at] = limit;
  room[at + 1] = Math.min(1, remaining / limit);
  room[at + 2] = reset;
  room[1] = Math.max(room[1]!, at + 3 - metersAt);
}

export function blockUntil(room: Room, time: number): void {
  if (time > room[0]!) room[0] = time;
}

/** Takes from a meter what an attempt is going to use: until it is answered the next one has to know. */
export function take(numbers: Float64Array, at: number, amount: number, now: number): void {
  const limit = numbers[at]!;
  if (limit === 0) return;
  if (now >= numbers[at + 2]!) {
    // It is full again and has told nothing of the time after. Limits are by the minute, as a rule.
    numbers[at + 1] = 1;
    numbers[at + 2] = now + minute;
  }
  numbers[at + 1] = Math.max(0, numbers[at + 1]! - amount / limit);
}

/** How fast the meter with the least has to be spent to use it up: its part that is left, per hour to its reset. */
export function roomOf(numbers: Float64Array, row: number, now: number): number {
  if (now < numbers[row]!) return 0;
  const first = row + metersAt;
  const end = first + numbers[row + 1]!;
  // Not `unknown`, which is shared with other files: the engine would box each number that may take its place.
  let least = Infinity;
  for (let at = first; at < end; at += 3) {
    if (numbers[at] === 0) continue;
    const each = perHour(numbers[at + 1]!, numbers[at + 2]! - now);
    if (each < least) least = each;
  }
  return least;
}

/** One that is past its reset is full. Under a second the time left says nothing any more. */
export function perHour(part: number, left: number): number {
  if (left <= 0) return hour / second;
  return (part * hour) / (left > second ? left : second);
}

/** Each meter that is known, in words. */
export function describeRoom(room: Room, now: number, toDuration: (ms: number) => string): string[] {
  const meters = names.flatMap(([at, name]) => {
    const limit = room[at]!;
    if (limit === 0) return [];
    const left = room[at + 2]! - now;
    if (left <= 0) return [`${limit} of ${limit} ${name} left, as it was reset`];
    return [`${Math.round(room[at + 1]! * limit)} of ${limit} ${name} left for ${toDuration(left)}`];
  });
  return now < room[0]! ? [`asked to wait for ${toDuration(room[0]! - now)}`, ...meters] : meters;
}
