import type { Target } from "../contract/target.ts";
import { viewTarget } from "../targets/target.ts";
import { fakeExchange, fakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { type Fresh, without } from "./selector-play.ts";
import { oddNames } from "./selector-odd-targets.ts";
import { createTally } from "./tally.ts";

export function proportional(test: Test, fresh: Fresh): void {
  const mixes = [
    [1, 1, 1],
    [1, 5, 1],
    [5, 1, 1],
    [1, 2, 3, 4],
    [0, 1, 0, 3],
    [0, 0],
    [1000, 1],
    [0.5, 1.5, 2.25],
    [1 / 3, 1, 2e5],
  ];
  for (const weights of mixes) {
    test(`picks in proportion to the weights ${weights.map((weight) => Number(weight.toFixed(3))).join(" : ")}`, async () => {
      const targets = fakeTargets(weights.length, (index) => ({ weight: weights[index] ?? 1 }));
      const tally = createTally();
      for (const picked of (await fresh()).picks(targets, 6_000)) tally.add(targets, picked);
      tally.check();
    });
  }

  test("picks in proportion among 100 targets", async () => {
    const targets = fakeTargets(100, (index) => ({ weight: 1 + (index % 7) }));
    const tally = createTally();
    for (const picked of (await fresh()).picks(targets, 6_000)) tally.add(targets, picked);
    tally.check();
  });

  test("stays in proportion while targets come and go", async () => {
    const all = fakeTargets(5, (index) => ({ weight: [1, 2, 3, 1, 1][index] ?? 1 }));
    await churn(
      fresh,
      all,
      (round) => all.filter((_, index) => index !== round % 5),
      (round) => 1 + (round % 7),
    );
  });

  test("stays in proportion while one target comes and goes with every pick", async () => {
    const all = fakeTargets(3);
    await churn(
      fresh,
      all,
      (round) => (round % 2 === 0 ? all : all.slice(0, 2)),
      () => 1,
    );
  });

  test("stays in proportion while discovery shuffles the list", async () => {
    const all = fakeTargets(4);
    await churn(
      fresh,
      all,
      (round) => [...all.slice(round % 4), ...all.slice(0, round % 4)],
      () => 1,
    );
  });

  test("gives a newcomer no more than its part", async () => {
    const play = await fresh(fakeTargets(4));
    play.picks(play.pool.snapshot.available, 1_001);
    const available = play.change(fakeTargets(5));
    const tally = createTally();
    for (const picked of play.picks(available, 1_000)) tally.add(available, picked);
    tally.check();
  });

  test("keeps to the weights when the first that is up has none of its own", async () => {
    const all = fakeTargets(4, (index) => ({ weight: [5, 1, 3, 1][index] ?? 1 }));
    const play = await fresh(all);
    const tally = createTally();
    for (const gone of [[0], [], [0, 2], [3]]) {
      const available = play.change(
        all,
        all.filter((_, index) => !gone.includes(index)),
      );
      for (const picked of play.picks(available, 2_000)) tally.add(available, picked);
    }
    tally.check();
  });

  test("gives each face of a target the part of its own weight", async () => {
    const [one, other] = fakeTargets(2) as unknown as readonly [Target, Target];
    const targets = Object.freeze([
      viewTarget(one, { model: "a", weight: 2 }),
      other,
      viewTarget(one, { model: "b", weight: 3 }),
      viewTarget(one, { model: "c", weight: 0 }),
    ]);
    const tally = createTally();
    for (const picked of (await fresh([one, other])).picks(targets, 6_000)) tally.add(targets, picked);
    tally.check();
  });

  test("stays in proportion among targets whose names every object knows", async () => {
    const targets = oddNames.map((id, index) => fakeTarget({ id, weight: 1 + index }));
    const play = await fresh(targets);
    const tally = createTally();
    for (let round = 0; round < 500; round++) {
      const available = play.change(targets, without(targets, targets[round % 5] as Target));
      for (const picked of play.picks(available, 7)) tally.add(available, picked);
    }
    tally.check();
  });

  test("stays in proportion when one target fails and its requests are tried elsewhere", async () => {
    const targets = fakeTargets(4, (index) => ({ weight: [2, 1, 1, 3][index] ?? 1 }));
    const play = await fresh(targets);
    const [failing, ...others] = targets as readonly [Target, ...Target[]];
    const [first, again] = [createTally(), createTally()];
    const retry = fakeExchange({ tried: [failing] });
    for (let i = 0; i < 14_000; i++) {
      const picked = play.pick(targets);
      first.add(targets, picked);
      if (picked === failing) again.add(others, play.pick(Object.freeze([...others]), retry));
    }
    first.check();
    again.check();
  });
}

async function churn(
  fresh: Fresh,
  all: readonly Target[],
  members: (round: number) => readonly Target[],
  turns: (round: number) => number,
): Promise<void> {
  const play = await fresh(all);
  const tally = createTally();
  for (let round = 0; round < 4_000; round++) {
    const available = play.change(all, members(round));
    for (const picked of play.picks(available, turns(round))) tally.add(available, picked);
  }
  tally.check();
}
