import { alias } from "plugboard/plugins/resolve/alias";
import { describe, expect, test } from "vitest";
import { queue } from "../../../plugins/load/queue.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openQueue } from "../load/queue-stage.ts";

describe("an alias that is full", () => {
  const full = {
    targets: { local: { models: ["a"], maxConcurrency: 1 }, cloud: { models: ["b"] } },
    aliases: { main: { targets: [{ model: "a" }], fallback: { model: "b" } } },
  };
  const main: RequestInit = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "main" }),
  };

  test("falls back at once where queue stands behind it", async () => {
    const stage = await openQueue({ targets: full.targets, plugins: [alias(full.aliases), queue()] });
    const first = stage.ask("/", main);
    const held = await stage.next();
    const second = stage.ask("/", main);
    const other = await stage.next();
    expect([held.target, other.target]).toEqual(["local", "cloud"]);
    held.answer();
    other.answer();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
  });

  test("is waited for where queue stands before it, and falls back when the time is up", async () => {
    const stage = await openQueue({ targets: full.targets, plugins: [queue({ wait: 30 }), alias(full.aliases)] });
    const first = stage.ask("/", main);
    const held = await stage.next();
    const second = stage.ask("/", main);
    const other = await stage.next();
    expect(other.target).toBe("cloud");
    other.answer();
    expect((await second).status).toBe(200);
    held.answer();
    expect((await first).status).toBe(200);
  });

  test("is waited for behind it when the fallback is down", async () => {
    const stage = await openQueue({ targets: full.targets, plugins: [alias(full.aliases), queue()] });
    stage.reporter.down("cloud", "the test says so");
    await eventually(() => expect(stage.proxy.pools()[0]?.snapshot.available).toHaveLength(1));
    const first = stage.ask("/", main);
    const held = await stage.next();
    const second = stage.ask("/", main);
    await stage.recovering.reached(1);
    held.answer();
    const other = await stage.next();
    expect(other.target).toBe("local");
    other.answer();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
  });
});
