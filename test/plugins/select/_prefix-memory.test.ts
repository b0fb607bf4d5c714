import { expect, test } from "vitest";
import { fakeTarget, fakeTargets } from "plugboard/testing";
import { seededState } from "../../../core/testing/plugin.ts";
import { inOrder } from "plugboard/plugins/select/in-order";
import { chat, fresh, load, long, make, send } from "./prefix-rig.ts";

test("remembered is that attempts began, not what was picked or asked about", async () => {
  const { targets, selector } = await fresh(3);
  const x = chat(long("apples"));
  selector.pick(targets, x);
  selector.explain?.(targets, x);
  selector.score?.(targets, x, new Float64Array(3));
  expect([0, 1].map(() => selector.pick(targets, x)?.id)).toEqual(["t2", "t3"]);
});

test("it is right for attempts that begin in another order than they were picked", async () => {
  const { targets, selector } = await fresh(3);
  const [one, other] = [chat(long("apples")), chat(long("pears"))];
  selector.pick(targets, one);
  selector.pick(targets, other);
  send(selector, targets[1], one);
  send(selector, targets[2], other);
  expect([one, other].map((x) => selector.pick(targets, x)?.id)).toEqual(["t2", "t3"]);
});

test("it makes room for new prompts by what was not used for longest, the end of it first", async () => {
  const { targets, selector } = await fresh(3, { max: 8, block: 100, inner: inOrder(), threshold: 0.1 });
  send(selector, targets[1], chat(long("apples", 500)));
  send(selector, targets[2], chat(long("pears", 300)));
  expect(selector.explain?.(targets, chat(long("apples", 500)))[1]?.note).toMatch(/^saw 100 %/);
  send(selector, targets[2], chat(long("cherries", 300)));
  const [, second, third] = selector.explain?.(targets, chat(long("apples", 500))) ?? [];
  expect(second?.note).toMatch(/^saw 40 %/);
  expect(third?.note).toMatch(/^saw 0 %/);
});

test("it holds of several targets, however often one of them comes", async () => {
  const { targets, selector } = await fresh(3);
  send(selector, targets[2], chat(long("apples")));
  for (let i = 0; i < 20; i++) send(selector, targets[1], chat(long("apples")));
  load(targets, [0, 2, 1]);
  expect(selector.pick(targets, chat(long("apples")))?.id).toBe("t3");
});

test("it is forgotten of a target that left the pool, even when one of its name comes back", async () => {
  const { targets, pool, selector } = await fresh(3);
  for (const index of [1, 2]) send(selector, targets[index], chat(long("apples")));
  send(selector, targets[1], chat(long("pears")));
  for (const members of [targets.slice(0, 2), fakeTargets(3)]) {
    pool.change(members);
    selector.update?.(pool.snapshot);
  }
  const list = pool.snapshot.available;
  load(list, [0, 5, 0]);
  expect(selector.pick(list, chat(long("apples")))?.id).toBe("t2");
  pool.change([...list.slice(0, 1), ...list.slice(2)]);
  selector.update?.(pool.snapshot);
  expect(selector.pick(pool.snapshot.available, chat(long("pears")))?.id).toBe("t1");
});

test("it is not taken for another target's in a list from before, as of a generation that still drains", async () => {
  const { targets, pool, selector } = await fresh(3);
  send(selector, targets[2], chat(long("pears")));
  expect(selector.pick(targets, chat(long("pears")))?.id).toBe("t3");
  const newcomer = fakeTarget({ id: "t4" });
  pool.change([...targets.slice(0, 2), newcomer]);
  selector.update?.(pool.snapshot);
  send(selector, newcomer, chat(long("apples")));
  expect(selector.pick(targets, chat(long("apples")))?.id).toBe("t1");
  expect(selector.pick(pool.snapshot.available, chat(long("apples")))?.id).toBe("t4");
});

test("it goes by the id, not by the place in the list", async () => {
  const { targets, selector } = await fresh(4);
  send(selector, targets[2], chat(long("apples")));
  for (const list of [targets.toReversed(), targets.slice(2), targets.slice(1, 3)]) {
    expect(selector.pick(Object.freeze(list), chat(long("apples")))?.id).toBe("t3");
  }
});

test("it is kept over a reload, shared by the routes of a pool, and can be copied", async () => {
  const state = seededState();
  const { targets, pool, selector } = await fresh(3, {}, {}, state);
  send(selector, targets[2], chat(long("apples")));
  for (const next of [state, Object.assign(seededState(), { keep: state.copies() })]) {
    const after = await make({}, pool, next);
    expect(after.pick(targets, chat(long("apples")))?.id).toBe("t3");
  }
  const other = await make({ block: 256 }, pool, state);
  expect(other.pick(targets, chat(long("apples")))?.id).toBe("t1");
});
