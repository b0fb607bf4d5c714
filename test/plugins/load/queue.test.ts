import { testPlugin } from "plugboard/testing";
import { expect, test } from "vitest";
import { queue } from "../../../plugins/load/queue.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openQueue } from "./queue-stage.ts";

testPlugin({
  test,
  create: () => queue({ size: 2, wait: 100, priority: "x-priority" }),
  badOptions: [
    { options: { size: -1 }, says: "size: Expected 0 or more" },
    { options: { size: 1.5 }, says: "size: Expected a whole number" },
    { options: { wait: -1 }, says: "wait: Expected 0 or more" },
    { options: { wait: 3e9 }, says: "wait: Expected 2147483647 or less" },
    { options: { for: [] }, says: "for: Expected at least one thing to wait for" },
    { options: { for: ["rest"] }, says: "for.0: " },
    { options: { priority: "no header" }, says: "priority: Expected the name of a header" },
  ],
});

test("a request waits until its target has room", async () => {
  const stage = await openQueue({ plugins: [queue()] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const second = stage.ask("/2");
  await stage.recovering.reached(1);
  held.answer();
  (await stage.next()).answer();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  expect(stage.most()).toBe(1);
});

test("one more than the line takes is a 429 at once, told in the log once", async () => {
  const stage = await openQueue({ plugins: [queue({ size: 1 })] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const second = stage.ask("/2");
  await stage.recovering.reached(1);
  const refused = { status: 429, code: "rate_limited", retryAfter: "1" };
  expect(await stage.ask("/3")).toEqual(refused);
  expect(await stage.ask("/4")).toEqual(refused);
  expect(stage.log().match(/no more may/g)).toHaveLength(1);
  held.answer();
  (await stage.next()).answer();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
});

test("a request whose time is up is a 503, and leaves the line", async () => {
  const stage = await openQueue({ plugins: [queue({ wait: 30, size: 1 })] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const late = { status: 503, code: "overloaded", retryAfter: "1" };
  expect(await stage.ask("/2")).toEqual(late);
  expect(await stage.ask("/3")).toEqual(late);
  held.answer();
  await first;
  expect(stage.most()).toBe(1);
});

test("who waited behind another until its time was up is a 503 too", async () => {
  const stage = await openQueue({ plugins: [queue({ wait: 30 })] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const late = await Promise.all([stage.ask("/2"), stage.ask("/3"), stage.ask("/4")]);
  expect(late.map(({ code }) => code)).toEqual(["overloaded", "overloaded", "overloaded"]);
  held.answer();
  expect((await first).status).toBe(200);
});

test("a client that leaves is out of the line at once, and its request goes nowhere", async () => {
  const stage = await openQueue({ plugins: [queue({ size: 1 })] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const leaving = new AbortController();
  const gone = stage.ask("/2", { signal: leaving.signal }).catch(() => "gone");
  await stage.recovering.reached(1);
  leaving.abort();
  await stage.ended.reached(1);
  expect(await gone).toBe("gone");
  // The line of one has room again.
  const third = stage.ask("/3");
  await stage.recovering.reached(2);
  held.answer();
  const next = await stage.next();
  expect(next.path).toBe("/3");
  next.answer();
  expect([(await first).status, (await third).status]).toEqual([200, 200]);
});

test("the deadline of the route holds while a request waits, and its place is free again", async () => {
  const stage = await openQueue({ plugins: [queue({ size: 1 })], config: { timeouts: { total: 500 } } });
  stage.reporter.down("only", "the test says so");
  await eventually(() => expect(stage.proxy.pools()[0]?.snapshot.available).toEqual([]));
  expect((await stage.ask("/1")).code).toBe("total_timeout");
  const second = stage.ask("/2");
  await stage.recovering.reached(2);
  stage.reporter.up("only");
  (await stage.next()).answer();
  expect((await second).status).toBe(200);
});

test("explain does not wait", async () => {
  const stage = await openQueue({ plugins: [queue()] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const second = stage.ask("/2");
  await stage.recovering.reached(1);
  // It looks at the targets as such, and not at what is under way to them.
  expect((await stage.proxy.explain({ path: "/3" })).attempts).toEqual([]);
  held.answer();
  (await stage.next()).answer();
  await Promise.all([first, second]);
});

test("a request that waits while the config is reloaded is served all the same", async () => {
  const stage = await openQueue({ plugins: [queue()] });
  const first = stage.ask("/1");
  const held = await stage.next();
  const second = stage.ask("/2");
  await stage.recovering.reached(1);
  await stage.proxy.reload();
  held.answer();
  const next = await stage.next();
  expect(next.path).toBe("/2");
  next.answer();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  await eventually(() => expect(stage.proxy.status().active).toBe(0));
});
