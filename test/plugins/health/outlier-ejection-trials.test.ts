import { expect, test } from "vitest";
import { tellPass } from "../../../plugins/health/_outlier-passes.ts";
import { eventually } from "../../e2e/eventually.ts";
import { eject, heldTarget, heldTrial, hold, otherReporter, outliers } from "./outliers.ts";

test("after an ejection one request is let through alone", async () => {
  const proxy = await heldTrial();
  await proxy.askTimes("a", 20);
  expect([proxy.got.get("a"), proxy.got.get("b")]).toEqual([2, 20]);
  proxy.held[0]?.end();
  expect(await proxy.trial).toBe(200);
  expect(proxy.log.at(-1)).toBe("info: target a is back");
  proxy.answers.delete("a");
  await proxy.askTimes("a", 3);
  expect(proxy.got.get("a")).toBe(5);
});

test("requests that come at once try a target only once", async () => {
  const proxy = await heldTarget();
  const asked = Array.from({ length: 20 }, () => proxy.ask("a"));
  await eventually(() => expect(proxy.got.get("b")).toBe(19));
  expect(proxy.held).toHaveLength(1);
  proxy.held[0]?.end();
  expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
});

test("a trial that takes too long makes room for another one", async () => {
  const proxy = await heldTrial();
  proxy.pass(100);
  const second = proxy.ask("a");
  await eventually(() => expect(proxy.held).toHaveLength(2));
  await proxy.ask("a");
  expect(proxy.got.get("b")).toBe(1);
  proxy.held[0]?.end();
  await proxy.trial;
  expect(proxy.log.at(-1)).toBe("info: target a is back");
  proxy.held[1]?.end();
  await second;
});

test("a trial that the client leaves makes room for another one", async () => {
  const client = new AbortController();
  const proxy = await heldTrial({ signal: client.signal });
  client.abort();
  await proxy.trial;
  await eventually(() => expect(proxy.pool().snapshot.all[0]?.live.inflight).toBe(0));
  expect(proxy.log).toHaveLength(1);
  const second = proxy.ask("a");
  await eventually(() => expect(proxy.held).toHaveLength(2));
  proxy.held[1]?.end();
  await second;
  expect(proxy.log.at(-1)).toBe("info: target a is back");
});

test("a request of before the ejection says nothing of the trial", async () => {
  let time = 0;
  const proxy = await outliers(["a", "b"], { consecutive: 1, duration: 100, now: () => time });
  const held = hold(proxy, "a");
  const early = proxy.ask("a");
  await eventually(() => expect(held).toHaveLength(1));
  await eject(proxy, "a");
  await proxy.turned("a", true);
  time = 1_000;
  held[0]?.end();
  expect(await early).toBe(200);
  await eventually(() => expect(proxy.pool().snapshot.all[0]?.live.inflight).toBe(0));
  expect(proxy.log).toHaveLength(1);
});

test("a target whose trial fails when it is the last one is back all the same", async () => {
  const other = otherReporter();
  const proxy = await outliers(["a", "b"], { consecutive: 1, duration: 100 }, { plugins: [other.plugin] });
  await eject(proxy, "a");
  other.takeDown("b");
  await proxy.turned("b", false);
  await proxy.turned("a", true);
  await eventually(async () => {
    await proxy.ask("a");
    expect(proxy.log.at(-1)).toBe("info: target a is back");
  });
});

test("a passed active check ends an ejection, and a request still tries the target", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 1 });
  await eject(proxy, "a");
  tellPass(proxy.pool().snapshot.all[0]!);
  await proxy.turned("a", true);
  await proxy.ask("a");
  await proxy.turned("a", false);
  expect(proxy.log.at(-1)).toBe("warn: target a is ejected for 60 s: a trial request failed (status)");
  tellPass(proxy.pool().snapshot.all[0]!);
  await proxy.turned("a", true);
});

test("active checks count for nothing when that is wanted", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 1, activeChecks: false });
  await eject(proxy, "a");
  tellPass(proxy.pool().snapshot.all[0]!);
  await proxy.ask("b");
  expect(proxy.available()).toEqual(["b"]);
});
