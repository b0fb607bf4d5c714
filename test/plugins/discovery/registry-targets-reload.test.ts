import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { four, polled } from "./registry-rig.ts";
import { entry, stubRegistry } from "./stub-registry.ts";

const [a, b, c] = four;

describe("a reload", () => {
  test("while the registry is away keeps the targets, their health and their time", async () => {
    const { registry, rig, clock, pass } = await polled();
    registry.begin([a, entry("b", { is_healthy: false }), c]);
    await pass(100);
    await pass(30_000);
    await registry.kill();
    await rig.reload();
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
    expect(rig.available()).toEqual(["a", "c", "d"]);
    expect(rig.proxy.status().stale).toHaveLength(1);
    await rig.reload();
    expect(rig.available()).toEqual(["a", "c", "d"]);
    await registry.comeBack();
    clock.pass(30_000);
    await eventually(() => expect(rig.ids()).toEqual(["a", "b", "c"]));
  });

  test("has the right verdicts at once, also of services that came back meanwhile", async () => {
    const { registry, rig, pass } = await polled();
    registry.begin([a, entry("b", { is_healthy: false })]);
    await pass(100);
    expect(rig.available()).toEqual(["a", "c", "d"]);
    registry.begin([entry("a", { is_healthy: false }), b]);
    await rig.reload();
    expect(rig.available()).toEqual(["b", "c", "d"]);
  });

  test("that is refused leaves the table to the running generation", async () => {
    const { registry, rig } = await polled();
    await expect(rig.reload({ keep: 1 })).rejects.toThrow("keep");
    await registry.kill();
    await rig.reload();
    expect(rig.ids()).toEqual(["a", "b", "c", "d"]);
  });

  test("judges what is known by the new options", async () => {
    const { registry, rig } = await polled();
    await registry.kill();
    await rig.reload({ allow: ["10.0.0.0/8"] });
    expect(rig.ids()).toEqual([]);
  });

  test("to another registry begins anew", async () => {
    const { rig } = await polled();
    const other = await stubRegistry([entry("x")]);
    await rig.reload({ url: other.url });
    expect(rig.ids()).toEqual(["x"]);
  });
});
