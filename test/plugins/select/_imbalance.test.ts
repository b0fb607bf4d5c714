import { describe, expect, test } from "vitest";
import { inOrder } from "plugboard/plugins/select/in-order";
import { chat, fresh, load, long, send } from "./prefix-rig.ts";

describe("out of balance", () => {
  const apples = () => chat(long("apples"));

  test("by both measures, inner picks, and what it picks has seen the prompt then", async () => {
    const { targets, selector } = await fresh(3, { inner: inOrder() });
    send(selector, targets[2], apples());
    load(targets, [0, 1, 32]);
    expect(selector.pick(targets, apples())?.id).toBe("t3");
    load(targets, [0, 1, 33]);
    expect(selector.pick(targets, apples())?.id).toBe("t1");
    send(selector, targets[0], apples());
    load(targets, [0, 1, 20]);
    expect(selector.pick(targets, apples())?.id).toBe("t1");
  });

  test("not by one of them", async () => {
    const { targets, selector } = await fresh(3, { imbalance: { absolute: 4, relative: 2 }, inner: inOrder() });
    send(selector, targets[2], apples());
    for (const [loads, id] of [
      [[3, 3, 7], "t3"],
      [[5, 5, 10], "t3"],
      [[4, 4, 9], "t1"],
    ] as const) {
      load(targets, loads);
      expect(selector.pick(targets, apples())?.id).toBe(id);
    }
  });

  test("is told for the weights: a target of ten times the weight may have ten times as many", async () => {
    const { targets, selector } = await fresh(3, { inner: inOrder() }, (index) => ({ weight: [1, 1, 10][index] ?? 1 }));
    send(selector, targets[2], apples());
    load(targets, [8, 8, 80]);
    expect(selector.pick(targets, apples())?.id).toBe("t3");
    load(targets, [80, 8, 8]);
    expect(selector.pick(targets, apples())?.id).toBe("t1");
  });
});
