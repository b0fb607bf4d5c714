import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { viewTarget } from "../targets/target.ts";
import { fakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { assertSame, keyed, keysOf, senderOf, settled } from "./selector-keys.ts";
import { type Fresh, type Requests, without } from "./selector-play.ts";
import { createTally, deviationOf } from "./tally.ts";

/** Where a key goes depends on nothing but the key and who is there. */
export function consistent(test: Test, fresh: Fresh, requests: Requests): void {
  const send = senderOf(requests, "consistent");
  keyed(test, fresh, requests, send);

  test("sends each key to the same target in another instance, and whatever the order of the list", async () => {
    const keys = keysOf(300);
    const { targets, play } = await settled(fresh, 7);
    const homes = send(play, targets, keys);
    const turned = Object.freeze([...targets.slice(3).toReversed(), ...targets.slice(0, 3)]);
    assertSame(send(await fresh(turned), turned, keys), homes, keys);
    assertSame(send(await fresh(), targets, keys.toReversed()), homes, keys);
    assertSame(send(play, play.change(turned), keys), homes, keys);
  });

  test("gives a newcomer keys, its part of them, and moves no key between the others", async () => {
    const keys = keysOf(2_000);
    const { targets, play } = await settled(fresh, 9);
    const before = send(play, targets, keys);
    const after = send(play, play.change(fakeTargets(10)), keys);
    const taken = keys.filter((key) => after.get(key)?.id === "t10");
    assertSame(
      after,
      before,
      keys.filter((key) => !taken.includes(key)),
    );
    const off = deviationOf(2_000, 1 / 10);
    assert.ok(Math.abs(taken.length - 200) <= off, `t10 took ${taken.length} of 2,000 keys, 200 are its part`);
  });

  test("lets keys come home when their target is back", async () => {
    const keys = keysOf(200);
    const { targets, play } = await settled(fresh);
    const homes = send(play, targets, keys);
    for (const gone of targets) {
      send(play, play.change(targets, without(targets, gone)), keys);
      assertSame(send(play, play.change(targets), keys), homes, keys);
    }
    send(play, play.change(targets.slice(2)), keys);
    assertSame(send(play, play.change(fakeTargets(4)), keys), homes, keys);
  });

  test("forgets a target that another replaces, and moves no other key for it", async () => {
    const keys = keysOf(400);
    const { targets, play } = await settled(fresh);
    const before = send(play, targets, keys);
    const replaced = [...targets.slice(0, 3), fakeTarget({ id: "t5" })];
    const after = send(play, play.change(replaced), keys);
    const moved = keys.filter((key) => after.get(key) !== before.get(key));
    assert.ok(
      moved.every((key) => before.get(key)?.id === "t4" || after.get(key)?.id === "t5"),
      "keys moved between targets that stayed",
    );
  });

  test("tries a key again at one other target, and goes home after that", async () => {
    const keys = keysOf(100);
    const { targets, play } = await settled(fresh);
    const homes = send(play, targets, keys);
    for (const home of targets) {
      const its = keys.filter((key) => homes.get(key) === home);
      const second = send(play, without(targets, home), its, [home]);
      assertSame(send(play, without(targets, home), its, [home]), second, its);
    }
    assertSame(send(play, targets, keys), homes, keys);
  });

  test("gives targets keys in proportion to their weights", async () => {
    const targets = fakeTargets(5, (index) => ({ weight: [1, 2, 3, 0.5, 0][index] ?? 1 }));
    checkShares(targets, send(await fresh(targets), targets, keysOf(10_000)).values());
    const even = fakeTargets(20);
    checkShares(even, send(await fresh(even), even, keysOf(6_000, "user")).values());
  });

  test("gives each face of a target keys in proportion to its own weight", async () => {
    const [one, other] = fakeTargets(2) as unknown as readonly [Target, Target];
    const [a, b] = [viewTarget(one, { model: "a", weight: 3 }), viewTarget(one, { model: "b" })];
    const targets = Object.freeze([a, other, b]);
    checkShares(targets, send(await fresh([one, other]), targets, keysOf(4_000)).values());
  });
}

function checkShares(targets: readonly Target[], homes: Iterable<Target>): void {
  const tally = createTally();
  for (const home of homes) tally.add(targets, home);
  tally.check();
}
