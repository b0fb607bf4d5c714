import type { Plugin, Reporter } from "plugboard";
import { expect, test } from "vitest";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy, type OpenProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const mem = memUpstream(sayOk, [
  { id: "a", url: "mem://a" },
  { id: "b", url: "mem://b" },
]);

interface Rig {
  readonly proxy: OpenProxy;
  /** `a down by probe: broken`, in the order they were told. */
  readonly told: string[];
  readonly probe: Reporter;
  readonly drain: Reporter;
}

async function rig(): Promise<Rig> {
  const told: string[] = [];
  const reporters: Reporter[] = [];
  const reporting: Plugin = quickPlugin("reporting", (setup) => {
    reporters.push(setup.reporter("probe"), setup.reporter("drain"));
  });
  const observer = hooks({
    health(target, up, reporter, reason) {
      told.push(`${target.id} ${up ? "up" : "down"} by ${reporter}: ${reason}`);
      return undefined;
    },
  });
  const proxy = await openProxy({ plugins: [mem, reporting, observer] });
  const [probe, drain] = reporters as [Reporter, Reporter];
  return { proxy, told, probe, drain };
}

/** Health is told with the snapshot, once per tick. */
const published = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a target that was never down is not told of", async () => {
  const { told, probe } = await rig();
  probe.up("a");
  await published();
  expect(told).toEqual([]);
});

test("a target that goes down and comes back is told of each time, with who said so and why", async () => {
  const { told, probe } = await rig();
  probe.down("a", "broken");
  await published();
  expect(told).toEqual(["a down by probe: broken"]);
  probe.up("a");
  await published();
  expect(told).toEqual(["a down by probe: broken", "a up by probe: broken"]);
});

test("the same word again, or another reason, is no news", async () => {
  const { told, probe } = await rig();
  for (const reason of ["broken", "broken", "still broken"]) {
    probe.down("a", reason);
    await published();
  }
  expect(told).toEqual(["a down by probe: broken"]);
});

test("a second reporter changes nothing: down is told once, up when the last of them says so", async () => {
  const { told, probe, drain } = await rig();
  probe.down("a", "broken");
  await published();
  drain.down("a", "by hand");
  await published();
  probe.up("a");
  await published();
  expect(told).toEqual(["a down by probe: broken"]);
  drain.up("a");
  await published();
  expect(told).toEqual(["a down by probe: broken", "a up by drain: by hand"]);
});

test("down and up within one tick is nothing", async () => {
  const { told, probe } = await rig();
  probe.down("a", "a moment");
  probe.up("a");
  await published();
  expect(told).toEqual([]);
});

test("each target is told of by itself", async () => {
  const { told, probe } = await rig();
  probe.down("a", "broken");
  probe.down("b", "broken too");
  await published();
  expect(told).toEqual(["a down by probe: broken", "b down by probe: broken too"]);
});

test("an unknown target is nobody's news", async () => {
  const { told, probe } = await rig();
  probe.down("c", "who?");
  await published();
  expect(told).toEqual([]);
});

test("what the hook is told, the pool's snapshot shows already", async () => {
  const seen: string[] = [];
  let probe: Reporter | undefined;
  const observer = quickPlugin("observer", (setup) => {
    probe = setup.reporter("probe");
    return {
      health(target, up) {
        const available = setup.pool().snapshot.available.some(({ id }) => id === target.id);
        seen.push(`${up ? "up" : "down"}, ${available ? "available" : "not available"}`);
        return undefined;
      },
    };
  });
  await openProxy({ plugins: [mem, observer] });
  probe?.down("a", "broken");
  await published();
  probe?.up("a");
  await published();
  expect(seen).toEqual(["down, not available", "up, available"]);
});

test("a generation that is over is told nothing", async () => {
  const { proxy, told, probe } = await rig();
  await proxy.reload({ plugins: [mem] });
  probe.down("a", "too late");
  await published();
  expect(told).toEqual([]);
});

test("a reload without the reporter takes its word back", async () => {
  const { proxy, probe } = await rig();
  probe.down("a", "broken");
  await published();
  await proxy.reload({ plugins: [mem] });
  await published();
  expect(proxy.pools()[0]?.snapshot.available.map(({ id }) => id)).toEqual(["a", "b"]);
});

test("a reload with the reporter keeps its word", async () => {
  const { proxy, probe } = await rig();
  probe.down("a", "broken");
  await published();
  await proxy.reload();
  expect(proxy.pools()[0]?.snapshot.available.map(({ id }) => id)).toEqual(["b"]);
});
