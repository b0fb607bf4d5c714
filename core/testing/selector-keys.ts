import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { fakeExchange, fakeTargets } from "./fakes.ts";
import { oddNames } from "./selector-odd-targets.ts";
import { faceOf, type Fresh, type Play, type Requests, without } from "./selector-play.ts";
import type { Test } from "./plugin.ts";
import { deviationOf } from "./tally.ts";

/** Where each key went. */
export type Homes = ReadonlyMap<string, Target>;

/** Sends one request of each key after the other. */
export type Send = (
  play: Play,
  targets: readonly Target[],
  keys: readonly string[],
  tried?: readonly Target[],
) => Homes;

/** As clients have them: what differs is the end, the middle, or everything. */
export function keysOf(size: number, of = "session"): readonly string[] {
  return Array.from({ length: size }, (_, i) => {
    if (i % 3 === 0) return `${of}-${i}`;
    return i % 3 === 1 ? `${of}-10.0.${i >> 8}.${i & 255}` : `${of}-${Math.imul(i, 0x9e3779b1) >>> 0}`;
  });
}

export function senderOf({ exchange }: Requests, law: string): Send {
  assert.ok(exchange, `the law ${law} needs the option exchange: how a request carries a key`);
  return (play, targets, keys, tried = []) => {
    const homes = new Map<string, Target>();
    for (const key of keys) {
      const x = fakeExchange({ ...exchange(key), tried });
      const picked = play.pick(targets, x);
      play.begin(picked, x);
      play.end(picked, x);
      homes.set(key, picked);
    }
    return homes;
  };
}

/** What holds for all selectors by a key. */
export function keyed(test: Test, fresh: Fresh, requests: Requests, send: Send): void {
  test("sends each key to one target while nothing changes, be it any key", async () => {
    const { targets, play } = await settled(fresh);
    send(play, targets, ["", " ", "\t"]);
    const keys = [...keysOf(100), "\uD800", "é", "k".repeat(100_000), "0", "null", ...oddNames];
    const first = send(play, targets, keys);
    for (let round = 0; round < 5; round++) {
      assertSame(send(play, targets, round % 2 === 0 ? keys.toReversed() : keys), first, keys);
    }
  });

  test("moves only the keys of a target that has left, each to one other, and not all to the same", async () => {
    const { targets, play } = await settled(fresh, 5);
    const keys = keysOf(400);
    const before = send(play, targets, keys);
    const gone = homeOfMost(targets, before);
    const stray = keys.filter((key) => before.get(key) === gone);
    const left = play.change(targets.filter((target) => target !== gone));
    const after = send(play, left, keys);
    assertSame(
      after,
      before,
      keys.filter((key) => !stray.includes(key)),
    );
    assertSame(send(play, left, keys), after, keys);
    const most = Math.max(...count(left, after, stray).values());
    const allowed = stray.length / 4 + deviationOf(stray.length, 1 / 4);
    assert.ok(most <= allowed, `one of the four that stay got ${most} of ${stray.length} keys`);
  });

  test("sends the keys of a target that is down elsewhere, and no others, whichever it is", async () => {
    const { targets, play } = await settled(fresh);
    const keys = keysOf(100);
    for (const gone of targets) {
      const before = send(play, play.change(targets), keys);
      const others = play.change(targets, without(targets, gone));
      const after = send(play, others, keys);
      assertSame(
        after,
        before,
        keys.filter((key) => before.get(key) !== gone),
      );
      assertSame(send(play, others, keys), after, keys);
    }
  });

  const { keyless } = requests;
  if (keyless === undefined) return;
  test("spreads requests that have no key", async () => {
    const { targets, play } = await settled(fresh);
    const picked = play.picks(targets, 200, () => fakeExchange(keyless()));
    assertSpread(targets, new Map(picked.map((target, i) => [`${i}`, target])), 50 + deviationOf(200, 1 / 4));
  });
}

export async function settled(fresh: Fresh, size = 4): Promise<{ targets: readonly Target[]; play: Play }> {
  const targets = fakeTargets(size);
  return { targets, play: await fresh(targets) };
}

export function assertSame(now: Homes, before: Homes, keys: readonly string[]): void {
  for (const key of keys) {
    const [from, to] = [before.get(key), now.get(key)] as readonly [Target, Target];
    assert.equal(faceOf(to), faceOf(from), `"${key.slice(0, 40)}" went to ${faceOf(to)}, before to ${faceOf(from)}`);
  }
}

export function assertSpread(targets: readonly Target[], homes: Homes, most: number): void {
  for (const [target, got] of count(targets, homes, [...homes.keys()])) {
    assert.ok(got > 0, `${faceOf(target)} got none of ${homes.size}`);
    assert.ok(got <= most, `${faceOf(target)} got ${got} of ${homes.size}, more than ${most.toFixed(1)}`);
  }
}

function homeOfMost(targets: readonly Target[], homes: Homes): Target {
  const counts = [...count(targets, homes, [...homes.keys()])];
  return counts.reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}

function count(targets: readonly Target[], homes: Homes, keys: readonly string[]): Map<Target, number> {
  const counts = new Map(targets.map((target) => [target, 0]));
  for (const key of keys) {
    const home = homes.get(key) as Target;
    counts.set(home, (counts.get(home) ?? 0) + 1);
  }
  return counts;
}
