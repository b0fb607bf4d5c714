import { expect, test } from "vitest";
import { addTime, createTimes, timeAt } from "../../../plugins/load/_hedge-times.ts";

function timesOf(all: readonly number[]): ReturnType<typeof createTimes> {
  const times = createTimes();
  for (const time of all) addTime(times, time);
  return times;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test("too few times say nothing", () => {
  expect(timeAt(timesOf(upTo(19)), 95)).toBeUndefined();
  expect(timeAt(timesOf(upTo(20)), 95)).toBe(19);
});

test.each([
  [50, 50],
  [90, 90],
  [95, 95],
  [99, 99],
])("of 1 to 100, p%i is %i, in whatever order they came", (percentile, time) => {
  expect(timeAt(timesOf(upTo(100)), percentile)).toBe(time);
  expect(timeAt(timesOf(upTo(100).toReversed()), percentile)).toBe(time);
});

test("numbers are sorted as numbers", () => {
  expect(timeAt(timesOf([...upTo(9), ...upTo(11).map((time) => time * 100)]), 50)).toBe(100);
});

test("the oldest of 256 is forgotten", () => {
  expect(timeAt(timesOf([...upTo(44).map(() => 9_000), ...upTo(256)]), 99)).toBe(254);
});

test("new times count when there are some of them, another percentile at once", () => {
  const times = timesOf(upTo(100).map(() => 5));
  expect(timeAt(times, 50)).toBe(5);
  for (const time of upTo(15)) addTime(times, time * 100);
  expect(timeAt(times, 95)).toBe(1_000);
  expect(timeAt(times, 50)).toBe(5);
  for (let i = 0; i < 15; i++) addTime(times, 900);
  expect(timeAt(times, 50)).toBe(5);
  for (let i = 0; i < 200; i++) addTime(times, 900);
  expect(timeAt(times, 50)).toBe(900);
});

test("a copy by value goes on as the original does", () => {
  expect(timeAt(structuredClone(timesOf(upTo(100))), 95)).toBe(95);
});
