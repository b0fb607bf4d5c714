const units: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** A duration in the largest unit of which it holds two, as in `36 h`; to one decimal. */
export function toDuration(ms: number): string {
  const [size, name] = units.find(([each]) => ms >= 2 * each) ?? [1, "ms"];
  return `${Number((ms / size).toFixed(1))} ${name}`;
}
