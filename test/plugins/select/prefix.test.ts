import { describe, expect, test } from "vitest";
import { type Target, viewTarget } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { prefix } from "plugboard/plugins/select/prefix";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { listening } from "./listening.ts";
import { chat, fresh, load, long, send } from "./prefix-rig.ts";
import { postThrough } from "./select-bodies.ts";

const create = () => prefix();

testSelector({
  test,
  create,
  law: ["sticky", "frugal"],
  exchange: (key) => chat(`${JSON.stringify(key)} ${"x".repeat(600)}`),
  keyless: () => ({}),
});

testPlugin({
  test,
  create,
  badOptions: [
    { options: { block: 8 }, says: "block: Expected a whole number from 16 to 65536" },
    { options: { max: 0.5 }, says: "max: Expected a whole number from 1 to 10000000" },
    { options: { threshold: 1.5 }, says: "threshold: Expected a number from 0 to 1" },
    { options: { imbalance: { absolute: -1 } }, says: "imbalance.absolute: Expected 0 or more" },
    { options: { imbalance: { relative: 0.5 } }, says: "imbalance.relative: Expected 1 or more" },
    { options: { imbalance: { absolut: 5 } }, says: 'did you mean "absolute"?' },
    { options: { inner: "random" }, says: "inner: Expected a selector such as leastConnections()" },
    { options: { blocks: 512 }, says: 'did you mean "block"?' },
  ],
});

describe("a prompt", () => {
  test("goes where most of it was seen", async () => {
    const { targets, selector } = await fresh(4);
    send(selector, targets[2], chat(long("apples")));
    send(selector, targets[1], chat(long("pears")));
    expect(selector.pick(targets, chat(long("apples"), "and then?"))?.id).toBe("t3");
    expect(selector.pick(targets, chat(long("pears")))?.id).toBe("t2");
  });

  test("follows its conversation from turn to turn", async () => {
    const { targets, selector } = await fresh(4);
    const turns = [long("apples", 900)];
    let home: Target | undefined;
    for (let turn = 0; turn < 8; turn++) {
      const picked = selector.pick(targets, chat(...turns)) as Target;
      home ??= picked;
      expect(picked).toBe(home);
      send(selector, picked, chat(...turns));
      turns.push(long(`answer ${turn}`, 400));
    }
  });

  test("that shares less than the threshold goes to inner", async () => {
    const shared = long("shared", 5_120);
    for (const [threshold, id] of [
      [0.4, "t3"],
      [0.6, "t1"],
    ] as const) {
      const { targets, selector } = await fresh(3, { threshold });
      send(selector, targets[2], chat(shared));
      expect(selector.pick(targets, chat(shared, long("own", 5_120)))?.id).toBe(id);
    }
  });

  test("that nobody has seen goes to inner, not to who has seen least, and not always to the first", async () => {
    const { targets, selector } = await fresh(3);
    const picked = Array.from({ length: 6 }, (_, i) => {
      const x = chat(long(`number ${i}`));
      const target = selector.pick(targets, x) as Target;
      send(selector, target, x);
      return target.id;
    });
    expect(picked.join(" ")).toBe("t1 t2 t3 t1 t2 t3");
  });

  test("shorter than a block goes to inner, seen or not", async () => {
    const { targets, selector } = await fresh(3);
    send(selector, targets[2], chat("short"));
    expect(selector.pick(targets, chat("short"))?.id).toBe("t1");
  });

  test("goes to the least loaded, for its weight, of several that have seen it", async () => {
    const { targets, selector } = await fresh(4, {}, (index) => ({ weight: [1, 1, 4, 1][index] ?? 1 }));
    for (const index of [1, 2, 3]) send(selector, targets[index], chat(long("apples")));
    for (const [loads, id] of [
      [[0, 3, 9, 2], "t3"],
      [[0, 3, 20, 2], "t4"],
      [[0, 1, 20, 2], "t2"],
    ] as const) {
      for (const [index, target] of targets.entries()) target.live.inflight = loads[index] ?? 0;
      expect(selector.pick(targets, chat(long("apples")))?.id).toBe(id);
    }
  });

  test("goes to who has seen less of it when who saw more is not in the list", async () => {
    const { targets, selector } = await fresh(3);
    send(selector, targets[1], chat(long("apples", 4_000)));
    send(selector, targets[2], chat(long("apples", 4_000), long("pears", 3_000)));
    const x = chat(long("apples", 4_000), long("pears", 3_000));
    expect(selector.pick(targets, x)?.id).toBe("t3");
    expect(selector.pick(Object.freeze(targets.slice(0, 2)), { ...x, tried: targets.slice(2) })?.id).toBe("t2");
    expect(selector.pick(Object.freeze(targets.slice(0, 1)), { ...x, tried: targets.slice(1) })?.id).toBe("t1");
    expect(selector.pick(targets, x)?.id).toBe("t3");
  });

  test("for another model is another prompt, and so it is for another face of a target", async () => {
    const { targets, selector } = await fresh(2);
    send(selector, targets[1], { ...chat(long("apples")), model: "a" });
    expect(selector.pick(targets, { ...chat(long("apples")), model: "b" })?.id).toBe("t1");
    expect(selector.pick(targets, { ...chat(long("apples")), model: "a" })?.id).toBe("t2");
    const faces = Object.freeze(["x", "y", "z"].map((model) => viewTarget(targets[0] as Target, { model })));
    send(selector, faces[2], chat(long("apples")));
    expect(selector.pick(faces, chat(long("apples")))?.model).toBe("z");
  });

  test("is not sent to a target of weight 0 while another has a weight", async () => {
    const { targets, selector } = await fresh(2);
    send(selector, targets[1], chat(long("apples")));
    expect(
      selector.pick(
        fakeTargets(2, (index) => ({ weight: 1 - index })),
        chat(long("apples")),
      )?.id,
    ).toBe("t1");
    expect(selector.pick(fakeTargets(2, { weight: 0 }), chat(long("apples")))?.id).toBe("t2");
  });
});

test("passes on to inner what happens, with a prompt or without", async () => {
  const { plugin, heard } = listening();
  const targets = fakeTargets(2);
  const pool = fakePool(targets);
  const selector = await selectorOf(prefix({ inner: plugin }), pool);
  selector.update?.(pool.snapshot);
  for (const x of [chat(long("apples")), fakeExchange()]) {
    selector.attemptStart?.(targets[1] as Target, x);
    selector.attemptEnd?.(targets[1] as Target, fakeOutcome(), x);
  }
  expect(heard).toEqual(["update 2", "start t2", "end t2 200", "start t2", "end t2 200"]);
});

describe("shows", () => {
  test("what part of the prompt each target saw, as score and in words", async () => {
    const { targets, selector } = await fresh(3);
    const [half, whole] = [chat(long("apples", 5_120)), chat(long("apples", 5_120), long("pears", 5_120))];
    send(selector, targets[1], half);
    send(selector, targets[2], whole);
    const into = new Float64Array(3);
    selector.score?.(targets, whole, into);
    expect([...into]).toEqual([0, 0.5, 1]);
    expect(selector.explain?.(targets, whole)).toEqual([
      { id: "t1", score: 0, note: "saw 0 % of the prompt, 0 under way" },
      { id: "t2", score: 0.5, note: "saw 50 % of the prompt, 0 under way" },
      { id: "t3", score: 2, note: "saw 100 % of the prompt, 0 under way" },
    ]);
  });

  test("why inner decides", async () => {
    const { targets, selector } = await fresh(2, { inner: inOrder() });
    const note = () => selector.explain?.(targets, chat(long("apples")))[0]?.note;
    expect(note()).toBe("saw 0 % of the prompt; none saw 50 %; the first in order");
    load(targets, [50, 0]);
    expect(note()).toBe("saw 0 % of the prompt; out of balance; the first in order");
  });
});

test("looks into the bodies of requests, and learns from each attempt", async () => {
  const post = await postThrough(prefix(), [{}, {}, {}]);
  for (const name of ["apples", "pears", "cherries", "plums"]) {
    const messages = [{ role: "user", content: long(name) }];
    const first = await post({ messages });
    messages.push({ role: "assistant", content: long("well", 900) });
    expect([await post({ messages }), await post({ messages })]).toEqual([first, first]);
  }
});
