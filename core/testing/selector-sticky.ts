import type { Target } from "../contract/target.ts";
import { fakeExchange, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { assertSame, assertSpread, type Homes, keyed, keysOf, senderOf, settled } from "./selector-keys.ts";
import type { Fresh, Requests } from "./selector-play.ts";

/** A key stays where it went; where it first goes is the selector's to choose. */
export function sticky(test: Test, fresh: Fresh, requests: Requests): void {
  const send = senderOf(requests, "sticky");
  keyed(test, fresh, requests, send);

  test("moves no key when a target comes", async () => {
    const keys = keysOf(200);
    const { targets, play } = await settled(fresh);
    const homes = send(play, targets, keys);
    assertSame(send(play, play.change([...targets, ...fakeTargets(5).slice(4)]), keys), homes, keys);
  });

  test("spreads new keys: none gets more than twice its part", async () => {
    const { targets, play } = await settled(fresh);
    assertSpread(targets, send(play, targets, keysOf(200)), 100);
    assertSpread(targets, send(play, targets, keysOf(200, "later")), 100);
  });

  test("spreads new keys whose requests are all under way", async () => {
    const { targets, play } = await settled(fresh);
    const keys = keysOf(200).values();
    const held = play.hold(targets, 200, () => fakeExchange(requests.exchange?.(keys.next().value ?? "")));
    assertSpread(targets, homesOf(held), 100);
  });

  test("does not flood a target that comes with all that is new", async () => {
    const { play } = await settled(fresh, 3);
    send(play, play.pool.snapshot.available, keysOf(600));
    const available = play.change(fakeTargets(4));
    const homes = send(play, available, keysOf(200, "new"));
    assertSpread(available, homes, 100);
  });
}

function homesOf(held: ReadonlyMap<Target, number>): Homes {
  const homes = [...held].flatMap(([target, got]) => Array.from({ length: got }, () => target));
  return new Map(homes.map((target, i) => [`${i}`, target]));
}
