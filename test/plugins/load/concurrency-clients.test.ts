import { expect, test } from "vitest";
import { concurrency } from "../../../plugins/load/concurrency.ts";
import { askInOrder, named, targets } from "./concurrency-stage.ts";
import { openQueue } from "./queue-stage.ts";

test("a client that has all it may have keeps nobody else waiting", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ client: 1, process: 3, size: 1 }), named()] });
  const answers = await askInOrder(stage, [["/a1", "a"], ["/a2", "a"], ["/b1", "b"], ["/none"]]);
  const held = [await stage.next(), await stage.next(), await stage.next()];
  expect(held.map(({ path }) => path).toSorted()).toEqual(["/a1", "/b1", "/none"]);
  const refused = { status: 429, code: "rate_limited", retryAfter: "1" };
  expect(await stage.ask("/a3", { headers: { "x-client": "a" } })).toEqual(refused);
  held.find(({ path }) => path === "/a1")?.answer();
  const next = await stage.next();
  expect(next.path).toBe("/a2");
  next.answer();
  for (const { answer } of held) answer();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("who lacks two places waits for both, and is not forgotten", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ client: 1, process: 2 }), named()] });
  const answers = await askInOrder(stage, [
    ["/a1", "a"],
    ["/b1", "b"],
    ["/a2", "a"],
    ["/c1", "c"],
  ]);
  const held = new Map<string, () => void>();
  for (let i = 0; i < 2; i++) {
    const { path, answer } = await stage.next();
    held.set(path, answer);
  }
  // The client's place is free, and /a2 came before /c1.
  held.get("/a1")?.();
  const next = await stage.next();
  expect(next.path).toBe("/a2");
  held.get("/b1")?.();
  (await stage.next()).answer();
  next.answer();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("who has one of its places and still lacks another stands there as if it had come there first", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ client: 1, route: { fast: 1 } }), named()] });
  const answers = await askInOrder(stage, [
    ["/slow/a1", "a"],
    ["/fast/b1", "b"],
    ["/fast/a2", "a"],
    ["/fast/c1", "c"],
  ]);
  const held = new Map<string, () => void>();
  for (let i = 0; i < 2; i++) {
    const { path, answer } = await stage.next();
    held.set(path, answer);
  }
  held.get("/slow/a1")?.();
  await stage.ended.reached(1);
  held.get("/fast/b1")?.();
  for (const path of ["/fast/a2", "/fast/c1"]) {
    const next = await stage.next();
    expect(next.path).toBe(path);
    next.answer();
  }
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("a client without a name is its address", async () => {
  const stage = await openQueue({
    targets,
    plugins: [concurrency({ client: 1, size: 0 }), named()],
    config: { trustedProxies: ["127.0.0.1"] },
  });
  const from = (address: string): RequestInit => ({ headers: { "x-forwarded-for": address } });
  const first = stage.ask("/1", from("192.0.2.1"));
  const held = await stage.next();
  expect((await stage.ask("/2", from("192.0.2.1"))).status).toBe(429);
  const other = stage.ask("/3", from("192.0.2.2"));
  (await stage.next()).answer();
  held.answer();
  expect([(await first).status, (await other).status]).toEqual([200, 200]);
});

test("a client may have a limit of its own, down to none", async () => {
  const stage = await openQueue({ targets, plugins: [concurrency({ client: 1, size: 0 }), named()] });
  const as = (name: string, limit: number): RequestInit => ({ headers: { "x-client": name, "x-limit": `${limit}` } });
  const answers = [stage.ask("/1", as("a", 2)), stage.ask("/2", as("a", 2))];
  const held = [await stage.next(), await stage.next()];
  expect((await stage.ask("/3", as("a", 2))).status).toBe(429);
  expect((await stage.ask("/4", as("b", 0))).status).toBe(429);
  for (const { answer } of held) answer();
  await Promise.all(answers);
});
