import assert from "node:assert/strict";
import type { Target } from "../contract/target.ts";
import { viewTarget } from "../targets/target.ts";
import { fakeExchange, fakeTarget, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import { type Fresh, type Play, without } from "./selector-play.ts";
import { checkExplained, checkScored } from "./selector-scores.ts";
import { deviationOf } from "./tally.ts";

/** Names that every object has something under, and others that are not what a name looks like. */
export const oddNames: readonly string[] = ["__proto__", "constructor", "toString", "hasOwnProperty"];

/** Targets that are not what one thinks of first: faces of another, names and facts of all kinds. */
export function odd(test: Test, fresh: Fresh): void {
  test("picks from views of targets, and returns the view", async () => {
    const plain = fakeTargets(4);
    const play = await fresh(plain);
    const targets = Object.freeze(plain.map((target, index) => viewTarget(target, { model: "asked", weight: index })));
    for (const picked of play.picks(targets, 50)) assert.ok(picked.weight > 0, `picked ${picked.id} of weight 0`);
    live(play, targets);
  });

  test("picks from a list that holds two faces of one target", async () => {
    const [one, other] = fakeTargets(2) as unknown as readonly [Target, Target];
    const faces = [
      viewTarget(one, { model: "c", weight: 0 }),
      viewTarget(one, { model: "a" }),
      other,
      viewTarget(one, { model: "b" }),
    ];
    const play = await fresh([one, other]);
    live(play, Object.freeze(faces));
    live(play, Object.freeze(faces.toReversed()));
    for (const picked of play.picks(Object.freeze(faces), 200)) {
      assert.ok(picked.weight > 0, `picked the face of ${picked.id} that has weight 0`);
    }
  });

  test("picks from targets and for models whose names every object knows", async () => {
    const named = oddNames.map((id) => fakeTarget({ id, models: oddNames, labels: { [id]: id }, meta: { [id]: id } }));
    const play = await fresh(named);
    for (const model of oddNames) {
      const asked = named.map((target) => viewTarget(target, { model }));
      live(play, Object.freeze(asked), model);
    }
    live(play, play.change(fakeTargets(3)));
    live(play, play.change(named));
  });

  test("spreads over targets of such names as over others", async () => {
    const spread = async (names: readonly string[]) => {
      const targets = names.map((id) => fakeTarget({ id }));
      const play = await fresh(targets);
      for (const target of targets) for (let i = 0; i < 5; i++) attempt(play, target);
      return [...play.hold(targets, 200).values()].toSorted((a, b) => a - b);
    };
    const usual = await spread(["t1", "t2", "t3", "t4"]);
    const given = await spread(oddNames);
    const off = deviationOf(200, 1 / 4);
    const message = `200 picks went ${given.join(" : ")}, by the names t1 to t4 ${usual.join(" : ")}`;
    assert.ok(
      usual.every((count, i) => Math.abs(count - (given[i] as number)) <= off),
      message,
    );
  });

  test("picks whatever labels and facts discovery gives its targets", async () => {
    const facts = [
      undefined,
      null,
      NaN,
      -1,
      Infinity,
      "1",
      "",
      [],
      {},
      [{}],
      { input: "a" },
      { input: -1, output: NaN },
    ];
    const targets = facts.map((fact, index) =>
      fakeTarget({ id: `t${index}`, meta: { price: fact, prices: fact }, labels: { zone: "", priority: "NaN" } }),
    );
    const play = await fresh(targets);
    live(play, Object.freeze(targets));
    live(play, Object.freeze(targets.map((target) => viewTarget(target, { model: "asked" }))), "asked");
  });
}

/** All that core asks of a selector. */
function live(play: Play, targets: readonly Target[], model?: string): void {
  const exchange = () => fakeExchange({ model });
  checkExplained(play.selector, targets, [], exchange());
  checkScored(play.selector, targets, [], exchange());
  play.picks(targets, 20, exchange);
  play.hold(targets, 20, exchange);
  const first = play.pick(targets, exchange());
  play.pick(without(targets, first), fakeExchange({ model, tried: [first] }));
  checkExplained(play.selector, targets, [], exchange());
  checkScored(play.selector, targets, [], exchange());
}

function attempt(play: Play, target: Target): void {
  const x = fakeExchange();
  play.begin(target, x);
  play.end(target, x);
}
