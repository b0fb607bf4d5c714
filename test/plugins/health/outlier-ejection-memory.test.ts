import { expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { heldTrial, onTrial, outliers, says } from "./outliers.ts";

test("a reload begins no count anew", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 3 });
  proxy.answers.set("a", says(502));
  await proxy.askTimes("a", 2);
  await proxy.proxy.reload();
  await proxy.ask("a");
  await proxy.turned("a", false);
});

test("a target is out, and on trial, over a reload", async () => {
  const proxy = await heldTrial();
  await proxy.proxy.reload();
  await proxy.askTimes("a", 5);
  expect(proxy.got.get("a")).toBe(2);
  proxy.held[0]?.end();
  await proxy.trial;
  proxy.answers.delete("a");
  await proxy.ask("a");
  expect(proxy.got.get("a")).toBe(3);
});

test("a target that left and came back begins anew", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 2 });
  const specs = proxy.pool().snapshot.all.map(({ id, origin }) => ({ id, url: origin }));
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  await eventually(() => expect(proxy.pool().snapshot.all[0]?.live.inflight).toBe(0));
  proxy.replace(specs.slice(1));
  await proxy.turned("a", false);
  proxy.replace(specs);
  await proxy.turned("a", true);
  await proxy.ask("a");
  expect(proxy.log).toEqual([]);
  await proxy.ask("a");
  await proxy.turned("a", false);
});

test("selectors get the pool's own list while nobody is on trial, and one list while somebody is", async () => {
  const proxy = await heldTrial();
  const from = proxy.lists.length;
  await proxy.askTimes("a", 3);
  const lists = proxy.lists.slice(from);
  expect(new Set(lists).size).toBe(1);
  expect(lists[0]?.map(({ id }) => id)).toEqual(["b"]);
  expect(Object.isFrozen(lists[0])).toBe(true);
  proxy.held[0]?.end();
  await proxy.trial;
  proxy.answers.delete("a");
  await proxy.askTimes("a", 2);
  expect(new Set(proxy.lists.slice(-2)).size).toBe(1);
  expect(proxy.lists.at(-1)).toHaveLength(2);
});

test("explain begins no trial", async () => {
  let time = 0;
  const proxy = await onTrial({ now: () => time });
  time = 1_000;
  await proxy.proxy.explain({ path: "/", headers: { "x-to": "a" } });
  proxy.answers.delete("a");
  await proxy.ask("a");
  expect(proxy.got.get("a")).toBe(2);
});

test("each proxy has its own records", async () => {
  const proxies = await Promise.all([1, 2].map(() => outliers(["a", "b"], { consecutive: 2 })));
  for (const proxy of proxies) {
    proxy.answers.set("a", says(502));
    await proxy.ask("a");
  }
  expect(proxies.map(({ log }) => log)).toEqual([[], []]);
});
