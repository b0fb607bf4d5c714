import assert from "node:assert/strict";
import type { Exchange, Outcome } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import { fakeExchange, fakeOutcome } from "./fakes.ts";
import { faceOf, type Play, type Requests } from "./selector-play.ts";
import { deviationOf } from "./tally.ts";

export type Speed = "fast" | "slow";

type Speeds = (target: Target) => Speed;

/** Attempts that a selector learns from. */
export interface Course {
  /** A request as `sample` makes them. */
  request(): Exchange;
  sampled(speed: Speed): Outcome;
  /** One attempt that goes as `sample` has it, but for what is changed. */
  attempt(play: Play, target: Target, speed: Speed, changed?: Partial<Outcome>): void;
  /** Some attempts at each target, whether they would be picked or not. */
  learn(play: Play, targets: readonly Target[], speeds: Speeds, rounds: number): void;
  /** Attempts at what is picked. */
  use(play: Play, targets: readonly Target[], speeds: Speeds, count: number): readonly Target[];
  /** What would be picked, from which it learns nothing. */
  look(play: Play, targets: readonly Target[], count: number): readonly Target[];
  wait(milliseconds: number): void;
}

export function createCourse({ sample, wait = () => undefined }: Requests): Course {
  assert.ok(sample, "the law measured needs the option sample: how a fast and a slow attempt end");

  function run(play: Play, target: Target, x: Exchange, speed: Speed, changed: Partial<Outcome> = {}): void {
    const { outcome, exchange = {}, slots = {} } = sample!(speed);
    const ended = fakeOutcome({ ...outcome, ...changed });
    Object.defineProperties(x, Object.getOwnPropertyDescriptors(exchange));
    play.begin(target, x);
    wait(ended.duration);
    // A relay fills slots from an answer; an attempt without a response has none.
    if (ended.status > 0) play.set(x, slots);
    play.end(target, x, ended);
  }

  const course: Course = {
    wait,
    request: () => fakeExchange(sample("fast").exchange),
    sampled: (speed) => fakeOutcome(sample(speed).outcome),
    attempt: (play, target, speed, changed) => run(play, target, course.request(), speed, changed),
    learn(play, targets, speeds, rounds) {
      for (let round = 0; round < rounds; round++) {
        for (const target of targets) course.attempt(play, target, speeds(target));
      }
    },
    use(play, targets, speeds, count) {
      return Array.from({ length: count }, () => {
        const x = course.request();
        const picked = play.pick(targets, x);
        run(play, picked, x, speeds(picked));
        return picked;
      });
    },
    look: (play, targets, count) => Array.from({ length: count }, () => play.pick(targets, course.request())),
  };
  return course;
}

/** That a target gets more than its part, by more than chance could do. */
export function assertPrefers(fast: Target | undefined, targets: readonly Target[], picked: readonly Target[]): void {
  assert.ok(fast);
  const part = 1 / targets.length;
  const got = picked.filter((target) => faceOf(target) === faceOf(fast)).length;
  const least = picked.length * part + deviationOf(picked.length, part);
  const message = `${faceOf(fast)}, the fast one, got ${got} of ${picked.length}; by chance it gets up to ${least.toFixed(1)}`;
  assert.ok(got > least, message);
}
