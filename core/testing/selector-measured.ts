import assert from "node:assert/strict";
import type { Outcome } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import { viewTarget } from "../targets/target.ts";
import { fakeOutcome, fakeTargets } from "./fakes.ts";
import { seededState, type Test } from "./plugin.ts";
import { assertPrefers, createCourse, type Speed } from "./selector-course.ts";
import { type Fault, faults, type Fresh, type Requests } from "./selector-play.ts";
import { checkExplained, checkScored } from "./selector-scores.ts";

/** What attempts showed decides, and nothing else. */
export function measured(test: Test, fresh: Fresh, requests: Requests): void {
  const { learn, use, look, attempt, sampled, request, wait } = createCourse(requests);

  test("prefers the target that was measured as fast", async () => {
    for (const fast of [0, 1, 2]) {
      const targets = fakeTargets(3);
      const play = await fresh(targets);
      const speed = speedOf(targets[fast]);
      learn(play, targets, speed, 30);
      assertPrefers(targets[fast], targets, use(play, targets, speed, 200));
    }
  });

  test("lets the newest attempts count, however many were before", async () => {
    const targets = fakeTargets(2);
    const play = await fresh(targets);
    learn(play, targets, speedOf(targets[0]), 300);
    wait(600_000);
    learn(play, targets, speedOf(targets[1]), 100);
    assertPrefers(targets[1], targets, look(play, targets, 200));
  });

  test("picks while nobody, or not everybody, was measured, and scores by numbers", async () => {
    for (const known of [0, 1, 2]) {
      const targets = fakeTargets(3, (index) => ({ weight: index }));
      const play = await fresh(targets);
      learn(play, targets.slice(3 - known), () => "slow", 3);
      checkExplained(play.selector, targets, [], request());
      checkScored(play.selector, targets, [], request());
      play.picks(targets, 20, request);
    }
  });

  test("divides by no time and no tokens that were measured as 0", async () => {
    const targets = fakeTargets(3);
    const play = await fresh(targets);
    const nothing = { ttfb: 0, duration: 0, bytesIn: 0, bytesOut: 0 };
    for (const zero of [{ duration: 0 }, { ttfb: 0 }, { bytesOut: 0 }, nothing]) {
      for (const target of targets) attempt(play, target, "fast", zero);
      checkExplained(play.selector, targets, [], request());
      checkScored(play.selector, targets, [], request());
      play.pick(targets, request());
    }
    const fresher = speedOf(targets[1]);
    learn(play, targets, fresher, 60);
    assertPrefers(targets[1], targets, use(play, targets, fresher, 200));
  });

  for (const speed of ["fast", "slow"] as const) {
    test(`does not flood a target nobody measured among ${speed} ones: at most twice its part`, async () => {
      const targets = fakeTargets(4);
      const play = await fresh(targets);
      learn(play, targets.slice(1), () => speed, 30);
      assertNoHerd(targets[0], play.hold<Target>(targets, 200, request));
    });
  }

  test("does not flood a target of which only failures are known", async () => {
    const targets = fakeTargets(4);
    const play = await fresh(targets);
    learn(play, targets.slice(1), () => "slow", 30);
    for (const kind of faults) attempt(play, targets[0] as Target, "fast", failed(kind));
    assertNoHerd(targets[0], play.hold<Target>(targets, 200, request));
  });

  for (const [what, outcomes] of bad) {
    test(`takes no ${what} for a sign of speed`, async () => {
      const targets = fakeTargets(2);
      const play = await fresh(targets);
      learn(play, targets, speedOf(targets[1]), 30);
      for (let i = 0; i < 30; i++) {
        for (const outcome of outcomes) attempt(play, targets[0] as Target, "fast", outcome);
      }
      assertPrefers(targets[1], targets, look(play, targets, 200));
    });
  }

  test("counts nothing below 0 after attempts that end more often than they began", async () => {
    const targets = fakeTargets(4);
    const play = await fresh(targets);
    learn(play, targets, () => "slow", 30);
    play.selector.attemptStart?.(targets[0] as Target, request());
    for (let i = 0; i < 800; i++) {
      const kind = faults[i % faults.length] as Fault;
      const outcome = i % 2 === 0 ? sampled("slow") : fakeOutcome(failed(kind));
      play.selector.attemptEnd?.(targets[0] as Target, outcome, request());
    }
    assertNoHerd(targets[0], play.hold<Target>(targets, 200, request));
  });

  test("learns from attempts to a target as it was before discovery gave it anew", async () => {
    const before = fakeTargets(2);
    const play = await fresh(before);
    play.picks(before, 2, request);
    const after = Object.freeze(before.map((target) => viewTarget(target, { weight: 2 })));
    play.change(after);
    learn(play, before, speedOf(before[1]), 60);
    assertPrefers(after[1], after, use(play, after, speedOf(after[1]), 200));
  });

  test("tells faces of a target apart", async () => {
    const [one, other] = fakeTargets(2) as unknown as readonly [Target, Target];
    const targets = Object.freeze([viewTarget(one, { model: "a" }), other, viewTarget(one, { model: "b" })]);
    const play = await fresh([one, other]);
    learn(play, targets, speedOf(targets[2]), 30);
    assertPrefers(targets[2], targets, use(play, targets, speedOf(targets[2]), 200));
  });

  test("still knows after a reload what it has learned", async () => {
    const state = seededState();
    const targets = fakeTargets(3);
    learn(await fresh(targets, state), targets, speedOf(targets[1]), 30);
    const same = Object.freeze([...targets]);
    // Explain looks at a copy of it.
    const copied = Object.assign(seededState(), { keep: state.copies() });
    assertPrefers(targets[1], same, use(await fresh(same, copied), same, speedOf(targets[1]), 200));
    assertPrefers(targets[1], same, use(await fresh(same, state), same, speedOf(targets[1]), 200));
  });
}

function assertNoHerd(cold: Target | undefined, held: ReadonlyMap<Target, number>): void {
  const got = held.get(cold as Target) ?? 0;
  assert.ok(got <= 100, `${cold?.id} got ${got} of 200 attempts before one of them ended; twice its part is 100`);
}

function speedOf(fast: Target | undefined): (target: Target) => Speed {
  return (target) => (target.id === fast?.id && target.model === fast.model ? "fast" : "slow");
}

/** Quicker than any sample: what counts them as such looks fast. */
const quick = { duration: 0.5, ttfb: 0.25 };

const bad: readonly (readonly [string, readonly Partial<Outcome>[]])[] = [
  ["failure of a target", faults.filter((kind) => kind !== "client-abort").map(failed)],
  ["client that left", [failed("client-abort"), { ...quick, kind: "client-abort" }]],
  ["refusal with 4xx", [400, 401, 404, 413, 429].map((status) => ({ ...quick, status }))],
  ["error with 5xx", [500, 502, 503, 529].map((status) => ({ ...quick, kind: "status", status }))],
];

function failed(kind: Fault): Partial<Outcome> {
  return kind === "stalled" || kind === "stream-error"
    ? { ...quick, kind }
    : { kind, status: 0, ttfb: 0, duration: quick.duration, bytesOut: 0 };
}
