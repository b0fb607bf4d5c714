import { definePlugin, defineSelector, type Exchange, type Proxy } from "plugboard";
import { expect, test } from "vitest";
import { queue } from "../../../plugins/load/queue.ts";
import { openQueue } from "./queue-stage.ts";

test("those who wait go on in the order they came, one for each place, and are never let go in vain", async () => {
  const stage = await openQueue({ targets: { only: { maxConcurrency: 2 } }, plugins: [queue()] });
  const answers = [stage.ask("/0"), stage.ask("/1")];
  await stage.admitted.reached(2);
  for (let i = 2; i < 8; i++) {
    answers.push(stage.ask(`/${i}`));
    await stage.admitted.reached(i + 1);
  }
  const order: string[] = [];
  for (let i = 0; i < 8; i++) {
    const held = await stage.next();
    order.push(held.path);
    held.answer();
  }
  expect(order.slice(2)).toEqual(["/2", "/3", "/4", "/5", "/6", "/7"]);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(8).fill(200));
  expect(stage.most()).toBe(2);
  // The one that was first to find no place.
  expect(stage.recovering.count).toBe(1);
});

test("who comes at the moment a place becomes free does not overtake", async () => {
  let proxy: Proxy | undefined;
  const late: Promise<Response>[] = [];
  const stage = await openQueue({
    plugins: [queue()],
    onAttemptEnd({ path }) {
      if (path === "/1") late.push((proxy as Proxy).fetch(new Request("http://proxy/late")));
    },
  });
  ({ proxy } = stage);
  const answers = [stage.ask("/1")];
  const held = await stage.next();
  answers.push(stage.ask("/2"));
  await stage.recovering.reached(1);
  held.answer();
  const second = await stage.next();
  expect(second.path).toBe("/2");
  second.answer();
  const third = await stage.next();
  expect(third.path).toBe("/late");
  third.answer();
  await Promise.all([...answers, ...late]);
});

test("the lowest priority goes first, and those of one priority in the order they came", async () => {
  const stage = await openQueue({ plugins: [queue({ priority: "X-Priority" })] });
  const answers = [stage.ask("/first")];
  const held = await stage.next();
  const sent: [string, string][] = [
    ["/a", "5"],
    ["/b", "nonsense"],
    ["/c", "-1"],
    ["/d", "5"],
    ["/e", "0"],
  ];
  for (const [i, [path, priority]] of sent.entries()) {
    answers.push(stage.ask(path, { headers: { "x-priority": priority } }));
    await stage.admitted.reached(i + 2);
  }
  held.answer();
  const order: string[] = [];
  for (let i = 0; i < 5; i++) {
    const next = await stage.next();
    order.push(next.path);
    next.answer();
  }
  expect(order).toEqual(["/c", "/b", "/e", "/a", "/d"]);
  await Promise.all(answers);
});

test("a priority may come from a function, and one that is no number counts as 0", async () => {
  const ranks = new Map([
    ["/a", Number.NaN],
    ["/b", -3],
  ]);
  const stage = await openQueue({ plugins: [queue({ priority: ({ path }) => ranks.get(path) ?? 1 })] });
  const answers = [stage.ask("/first")];
  const held = await stage.next();
  for (const [i, path] of ["/c", "/a", "/b"].entries()) {
    answers.push(stage.ask(path));
    await stage.admitted.reached(i + 2);
  }
  held.answer();
  for (const path of ["/b", "/a", "/c"]) {
    const next = await stage.next();
    expect(next.path).toBe(path);
    next.answer();
  }
  await Promise.all(answers);
});

test("who comes back without a place gives way to those behind, and keeps its place in line", async () => {
  const picky = defineSelector({
    name: "picky",
    pick: (targets, { path }) => (path === "/picky" ? targets.find(({ id }) => id === "a") : targets[0]),
  });
  const stage = await openQueue({
    targets: { a: { maxConcurrency: 1 }, b: { maxConcurrency: 1 } },
    plugins: [queue(), picky()],
  });
  const answers = [stage.ask("/1"), stage.ask("/2")];
  const held = [await stage.next(), await stage.next()];
  for (const [i, path] of ["/picky", "/3", "/4"].entries()) {
    answers.push(stage.ask(path));
    await stage.admitted.reached(i + 3);
  }
  const inOrder: string[] = [];
  for (const id of ["b", "a", "b"]) {
    held.find(({ target }) => target === id)?.answer();
    held.splice(0, held.length, ...held.filter(({ target }) => target !== id));
    const next = await stage.next();
    held.push(next);
    inOrder.push(`${next.path} on ${next.target}`);
  }
  expect(inOrder).toEqual(["/3 on b", "/picky on a", "/4 on b"]);
  for (const { answer } of held) answer();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
});

test("what one request may not use is for those behind it", async () => {
  const own = definePlugin({
    name: "own",
    setup: () => {
      const lists = new WeakMap<object, Map<string, readonly { id: string }[]>>();
      return {
        candidates(x: Exchange, targets) {
          const id = x.path.slice(1, 2);
          let known = lists.get(targets);
          if (known === undefined) lists.set(targets, (known = new Map()));
          if (!known.has(id)) known.set(id, Object.freeze(targets.filter((target) => target.id === id)));
          return known.get(id) as typeof targets;
        },
      };
    },
  });
  const stage = await openQueue({
    targets: { a: { maxConcurrency: 1 }, b: { maxConcurrency: 1 } },
    plugins: [queue(), own()],
  });
  const answers = [stage.ask("/a1"), stage.ask("/b1")];
  const held = [await stage.next(), await stage.next()];
  for (const [i, path] of ["/a2", "/a3", "/b2"].entries()) {
    answers.push(stage.ask(path));
    await stage.admitted.reached(i + 3);
  }
  held.find(({ target }) => target === "b")?.answer();
  for (const path of ["/b2", "/b3"]) {
    const next = await stage.next();
    expect(next.path).toBe(path);
    next.answer();
    await stage.ended.reached(path === "/b2" ? 2 : 3);
    // While nothing changes, for who comes new.
    if (path === "/b2") answers.push(stage.ask("/b3"));
  }
  held.find(({ target }) => target === "a")?.answer();
  for (const path of ["/a2", "/a3"]) {
    const other = await stage.next();
    expect(other.path).toBe(path);
    other.answer();
  }
  await Promise.all(answers);
});
