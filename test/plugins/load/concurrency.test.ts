import { testPlugin } from "plugboard/testing";
import { expect, test } from "vitest";
import { concurrency } from "../../../plugins/load/concurrency.ts";
import { queue } from "../../../plugins/load/queue.ts";
import { askInOrder, named, targets } from "./concurrency-stage.ts";
import { openQueue } from "./queue-stage.ts";

testPlugin({
  test,
  create: () => concurrency({ process: 4, route: { default: 2 }, client: 1 }),
  badOptions: [
    { options: {}, says: "Expected a limit for process, route or client" },
    { options: { process: 0 }, says: "process: Expected 1 or more" },
    { options: { route: 1.5 }, says: "route: Expected a whole number" },
    { options: { route: { fast: 0 } }, says: "route.fast: Expected 1 or more" },
    { options: { client: 1, size: -1 }, says: "size: Expected 0 or more" },
  ],
});

test("as many as allowed are under way in the proxy; the others go on in the order they came", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ process: 2 }), named()] });
  const answers = await askInOrder(stage, [["/1"], ["/2"], ["/3"], ["/4"], ["/5"]]);
  const held = [await stage.next(), await stage.next()];
  const live = stage.proxy.pools()[0]?.snapshot.all[0]?.live;
  for (const path of ["/3", "/4", "/5"]) {
    held.shift()?.answer();
    const next = await stage.next();
    expect(next.path).toBe(path);
    expect(live?.inflight).toBe(2);
    held.push(next);
  }
  for (const { answer } of held) answer();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
});

test("each route has its own places, and where none is full nobody waits", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ route: { slow: 1 } }), named()] });
  const answers = await askInOrder(stage, [["/slow/1"], ["/slow/2"], ["/fast/1"], ["/fast/2"]]);
  const held = [await stage.next(), await stage.next(), await stage.next()];
  expect(held.map(({ path }) => path).toSorted()).toEqual(["/fast/1", "/fast/2", "/slow/1"]);
  for (const { answer } of held) answer();
  (await stage.next()).answer();
  await Promise.all(answers);
});

test("a number is the limit of every route", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ route: 1 }), named()] });
  const answers = await askInOrder(stage, [["/slow/1"], ["/fast/1"], ["/slow/2"], ["/fast/2"]]);
  const held = [await stage.next(), await stage.next()];
  expect(held.map(({ path }) => path).toSorted()).toEqual(["/fast/1", "/slow/1"]);
  for (const { answer } of held) answer();
  (await stage.next()).answer();
  (await stage.next()).answer();
  await Promise.all(answers);
});

test("who waits too long is a 503, and a 429 where the client itself is the cause", async () => {
  const busy = await openQueue({ targets, plugins: [concurrency({ process: 1, wait: 20 }), named()] });
  const first = busy.ask("/1");
  const held = await busy.next();
  expect(await busy.ask("/2")).toEqual({ status: 503, code: "overloaded", retryAfter: "1" });
  held.answer();
  await first;
  const own = await openQueue({ targets, plugins: [concurrency({ client: 1, wait: 20 }), named()] });
  const second = own.ask("/1");
  const other = await own.next();
  expect(await own.ask("/2")).toEqual({ status: 429, code: "rate_limited", retryAfter: "1" });
  other.answer();
  await second;
});

test("clients that leave give back their places, those in line and those under way", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ process: 1, size: 1 }), named()] });
  const leaving = new AbortController();
  const gone = stage.ask("/1", { signal: leaving.signal }).catch(() => "gone");
  const held = await stage.next();
  const inLine = new AbortController();
  const alsoGone = stage.ask("/2", { signal: inLine.signal }).catch(() => "gone");
  await stage.admitted.reached(2);
  inLine.abort();
  await stage.ended.reached(1);
  const third = stage.ask("/3");
  await stage.admitted.reached(3);
  leaving.abort();
  await held.left;
  const next = await stage.next();
  expect(next.path).toBe("/3");
  next.answer();
  expect((await third).status).toBe(200);
  expect([await gone, await alsoGone]).toEqual(["gone", "gone"]);
});

test("the lowest priority goes first", async () => {
  const stage = await openQueue({
    targets,
    plugins: [concurrency({ process: 1, priority: ({ path }) => Number(path.slice(1)) }), named()],
  });
  const answers = await askInOrder(stage, [["/5"], ["/3"], ["/1"], ["/2"]]);
  for (const path of ["/5", "/1", "/2", "/3"]) {
    const held = await stage.next();
    expect(held.path).toBe(path);
    held.answer();
  }
  await Promise.all(answers);
});

test("limits hold over a reload, for what is under way and for what waits", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ process: 1 }), named()] });
  const answers = await askInOrder(stage, [["/1"], ["/2"]]);
  const held = await stage.next();
  await stage.proxy.reload();
  answers.push(...(await askInOrder(stage, [["/3"]])));
  held.answer();
  for (const path of ["/2", "/3"]) {
    const next = await stage.next();
    expect(next.path).toBe(path);
    next.answer();
  }
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(stage.most()).toBe(1);
});

test("explain takes no place, and tells the limits", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ process: 1, client: 3 }), named()] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const { steps } = await stage.proxy.explain({ headers: { "x-client": "a" } });
  expect(steps).toContainEqual({ phase: "admit", note: "concurrency: at most 3 for this client, 1 for the proxy" });
  held.answer();
  await first;
  const second = stage.ask("/2");
  (await stage.next()).answer();
  expect((await second).status).toBe(200);
});

test("beside a queue a request keeps its place while it waits for a target", async () => {
  const stage = await openQueue({ plugins: [queue(), concurrency({ process: 2, size: 0 }), named()] });
  const answers = await askInOrder(stage, [["/1"], ["/2"]]);
  const held = await stage.next();
  expect((await stage.ask("/3")).status).toBe(429);
  held.answer();
  (await stage.next()).answer();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
});
