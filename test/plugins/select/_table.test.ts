import { expect, test } from "vitest";
import { viewTarget } from "plugboard";
import { fakeTarget, fakeTargets } from "plugboard/testing";
import { createRows, createTable } from "../../../plugins/select/_table.ts";

const width = 3;

test("gives each target and model a row of its own, and the same one to whoever asks", () => {
  const table = createTable();
  const [one, other] = [createRows(table, width), createRows(table, width)];
  const targets = fakeTargets(100).flatMap((target) => [target, viewTarget(target, { model: "m" })]);
  const rows = targets.map((target) => one.of(target));
  expect(new Set(rows).size).toBe(200);
  expect(rows.every((row) => row % width === 0)).toBe(true);
  expect([...other.align(targets)]).toEqual(rows);
  expect(one.of(fakeTarget({ id: "t7" }))).toBe(rows[12]);
});

test("keeps the numbers when it grows", () => {
  const table = createTable();
  const rows = createRows(table, width);
  for (const [i, target] of fakeTargets(1_000).entries()) {
    const row = rows.of(target);
    table.numbers[row + 2] = i;
  }
  expect(fakeTargets(1_000).map((target) => table.numbers[rows.of(target) + 2])).toEqual([...Array(1_000).keys()]);
});

test("a row of one that left is empty when another gets it, and is no longer found by who left", () => {
  const table = createTable();
  const [one, other] = [createRows(table, width), createRows(table, width)];
  const targets = fakeTargets(3);
  one.align(targets);
  other.align(targets);
  const [, gone] = targets;
  table.numbers.fill(7);
  const row = one.of(gone!);
  one.forgetOthers(targets.filter((target) => target !== gone));
  const comer = fakeTarget({ id: "comer" });
  expect(one.of(comer)).toBe(row);
  expect([...table.numbers.subarray(row, row + width)]).toEqual([0, 0, 0]);
  // Its attempts may still end, and lists with it may be asked for; both selectors saw it before.
  for (const rows of [one, other]) {
    expect(rows.of(gone!)).not.toBe(row);
    expect(rows.align(targets)[1]).not.toBe(row);
  }
});

test("takes no more room however many come and go", () => {
  const table = createTable();
  const rows = createRows(table, width);
  for (let round = 0; round < 1_000; round++) {
    const targets = fakeTargets(4, (index) => ({ id: `${round}-${index}` }));
    rows.align(targets);
    rows.forgetOthers(targets);
  }
  expect(table.rows.size).toBe(4);
  expect(table.numbers.length).toBeLessThanOrEqual(16 * width);
});

test("can be copied, and the copy goes its own way", () => {
  const table = createTable();
  const [target] = fakeTargets(1);
  const row = createRows(table, width).of(target!);
  table.numbers[row] = 5;
  const copy = structuredClone(table);
  const copied = createRows(copy, width).of(target!);
  expect(copy.numbers[copied]).toBe(5);
  copy.numbers[copied] = 6;
  expect(table.numbers[row]).toBe(5);
});
