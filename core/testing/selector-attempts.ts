import assert from "node:assert/strict";
import type { Outcome } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import { viewTarget } from "../targets/target.ts";
import { fakeExchange, fakeOutcome, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { type Fault, faults, type Fresh, type Play } from "./selector-play.ts";
import { deviationOf } from "./tally.ts";

/** What it does with attempts that do not go the usual way. */
export function counting(test: Test, fresh: Fresh): void {
  test("picks when the client is gone already", async () => {
    const targets = fakeTargets(3);
    const play = await fresh(targets);
    const x = fakeExchange({ signal: AbortSignal.abort() });
    const picked = play.pick(targets, x);
    play.begin(picked, x);
    play.end(picked, x, failed("client-abort"));
    play.picks(targets, 20);
  });

  test("goes on when attempts end twice, never began, never end, or belong to a target that is gone", async () => {
    const [gone, ...rest] = fakeTargets(4) as readonly [Target, ...Target[]];
    const targets = Object.freeze(rest);
    const { picks, selector } = await fresh(targets);
    const [first, second] = targets as unknown as [Target, Target];
    for (const outcome of outcomes) {
      selector.attemptEnd?.(gone, outcome, fakeExchange());
      selector.attemptEnd?.(first, outcome, fakeExchange());
      selector.attemptStart?.(first, fakeExchange());
      selector.attemptEnd?.(first, outcome, fakeExchange());
      selector.attemptEnd?.(first, outcome, fakeExchange());
      selector.attemptStart?.(second, fakeExchange());
      picks(targets, 20);
    }
  });

  test("does not flood a target whose attempts ended more often than they began", async () => {
    const fair = await shareAfter(fresh, (play, spoilt) => {
      for (const outcome of repeated) attempt(play, spoilt, outcome);
    });
    const got = await shareAfter(fresh, ({ selector }, spoilt) => {
      selector.attemptStart?.(spoilt, fakeExchange());
      for (const outcome of repeated) selector.attemptEnd?.(spoilt, outcome, fakeExchange());
    });
    assertNoFlood(got, fair);
  });

  test("counts right when a target leaves while attempts to it are under way, and comes back", async () => {
    const fair = await shareAfter(fresh, (play, leaving, all) => {
      for (let i = 0; i < 200; i++) attempt(play, leaving, fakeOutcome());
      play.picks(play.change(all.slice(1)), 8);
      play.change(all);
    });
    const got = await shareAfter(fresh, (play, leaving, all) => {
      for (let i = 0; i < 200; i++) play.selector.attemptStart?.(leaving, fakeExchange());
      play.picks(play.change(all.slice(1)), 8);
      for (let i = 0; i < 200; i++) play.selector.attemptEnd?.(leaving, fakeOutcome(), fakeExchange());
      play.change(all);
    });
    assert.ok(Math.abs(got - fair) <= chance, `t1 got ${got} of 200 picks, ${fair} had it not left meanwhile`);
  });

  test("does not flood a face of a target when attempts to another face of it end there", async () => {
    const [plain, ...others] = fakeTargets(3) as readonly [Target, ...Target[]];
    const face = viewTarget(plain, { model: "another" });
    const targets = [face, plain, ...others];
    const fair = await shareAfter(
      fresh,
      (play) => {
        for (const outcome of repeated) attempt(play, face, outcome);
      },
      targets,
    );
    const got = await shareAfter(
      fresh,
      ({ selector }) => {
        for (const outcome of repeated) {
          selector.attemptStart?.(plain, fakeExchange());
          selector.attemptEnd?.(face, outcome, fakeExchange());
        }
      },
      targets,
    );
    assertNoFlood(got, fair);
  });
}

const outcomes: readonly Outcome[] = [
  fakeOutcome(),
  fakeOutcome({ kind: "status", status: 500 }),
  ...faults.map(failed),
];
const repeated: readonly Outcome[] = Array.from({ length: 800 }, (_, i) => outcomes[i % outcomes.length] as Outcome);

/** Chance alone moves 200 picks of one in four by 6; five times that is one case in a million. */
const chance: number = deviationOf(200, 1 / 4);

/** Fewer starts may count in its favour where starts are what is counted, but for no more than its part. */
function assertNoFlood(got: number, fair: number): void {
  const most = Math.max(fair, 50) + chance;
  assert.ok(got <= most, `t1 got ${got} of 200 picks, ${fair} when its attempts were counted right`);
}

/** What the first of four alike gets of 200 attempts that all are under way, after what was done to it. */
async function shareAfter(
  fresh: Fresh,
  spoil: (play: Play, first: Target, all: readonly Target[]) => void,
  all: readonly Target[] = fakeTargets(4),
): Promise<number> {
  const play = await fresh(all);
  const first = all[0] as Target;
  spoil(play, first, all);
  return play.hold(play.pool.snapshot.available, 200).get(first) ?? 0;
}

/** Its counters are core's; what is looked at is what the selector counts by itself. */
function attempt({ selector }: Play, target: Target, outcome: Outcome): void {
  const x = fakeExchange();
  selector.attemptStart?.(target, x);
  selector.attemptEnd?.(target, outcome, x);
}

function failed(kind: Fault): Outcome {
  return fakeOutcome({ kind, status: 0, sent: kind !== "connect", ttfb: 0, bytesOut: 0 });
}
