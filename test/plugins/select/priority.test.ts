import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { createProxy, type Plugin, type Target } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { inOrder } from "plugboard/plugins/select/in-order";
import { priority } from "plugboard/plugins/select/priority";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import {
  fakeExchange,
  fakePool,
  type FakeTarget,
  type FakeTargetFields,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { saying } from "./upstreams.ts";

testSelector({ test, create: () => priority(), law: ["least", "best", "frugal"] });

describe("of round-robin", () => {
  testSelector({ test, create: () => priority({ inner: roundRobin(), maxInflight: 1e9 }), law: "proportional" });
});

testPlugin({
  test,
  create: () => priority({ label: "rank", maxInflight: 4 }),
  badOptions: [
    { options: { maxInflight: 0 }, says: "maxInflight: Expected a number of attempts above 0" },
    { options: { maxInflight: "8" }, says: "maxInflight: Expected a number of attempts above 0" },
    { options: { inner: "round-robin" }, says: "inner: Expected a selector such as leastConnections()" },
    { options: { label: "" }, says: "label: Expected the name of a label" },
    { options: { maxInFlight: 8 }, says: 'did you mean "maxInflight"?' },
  ],
});

test("refuses an inner plugin that is no selector", async () => {
  const config = { plugins: [priority({ inner: staticTargets({ targets: [] }) })] };
  await expect(createProxy(config)).rejects.toThrow("provides no selector");
});

describe("the order", () => {
  test("is that of the numbers, not of their text, and without one it is 0", async () => {
    const targets = ranked(["10", "9", "-1.5", undefined]);
    expect(await inTurn(priority(), targets)).toEqual(["t3", "t4", "t2", "t1"]);
  });

  test("has what is no finite number last", async () => {
    const targets = ranked(["high", "", "Infinity", "-Infinity", "1e308", "NaN", " "]);
    const order = await inTurn(priority({ inner: inOrder() }), targets);
    expect(order).toEqual(["t5", "t1", "t2", "t3", "t4", "t6", "t7"]);
  });

  test("is taken from meta where no label says it", async () => {
    const targets = fakeTargets(6, (index) => ({
      labels: labelled("priority", index === 0 ? "1" : undefined),
      meta: { priority: [-9, 3, "2", null, true, [-1]][index] },
    }));
    expect(await inTurn(priority({ inner: inOrder() }), targets)).toEqual(["t1", "t3", "t2", "t4", "t5", "t6"]);
  });

  test("is taken from the label that is named", async () => {
    const targets = fakeTargets(2, (index) => ({ labels: { rank: `${2 - index}`, priority: `${index}` } }));
    expect(await inTurn(priority({ label: "rank" }), targets)).toEqual(["t2", "t1"]);
    const odd = fakeTargets(2, (index) => ({ labels: labelled("constructor", index === 0 ? "1" : undefined) }));
    expect(await inTurn(priority({ label: "constructor" }), odd)).toEqual(["t2", "t1"]);
  });

  test("passes over a number that has only targets of weight 0 while another has a weight", async () => {
    const targets = ranked(["0", "1", "2"], (index) => ({ weight: index === 2 ? 1 : 0 }));
    expect(await inTurn(priority(), targets.slice(0, 2))).toEqual(["t1", "t2"]);
    expect((await selectorOf(priority(), fakePool())).pick(targets, fakeExchange())?.id).toBe("t3");
  });
});

test("leaves a number whose targets all have maxInflight under way for their weight", async () => {
  const targets = ranked(["0", "0", "1"], (index) => ({ weight: index + 1 }));
  const selector = await selectorOf(priority({ maxInflight: 2 }), fakePool(targets));
  const held = Array.from({ length: 14 }, () => {
    const picked = selector.pick(targets, fakeExchange()) as FakeTarget;
    picked.live.inflight += 1;
    return picked.id;
  });
  expect(held.slice(0, 6).toSorted()).toEqual(["t1", "t1", "t2", "t2", "t2", "t2"]);
  expect(held.slice(6)).toEqual(["t3", "t3", "t3", "t3", "t3", "t3", "t2", "t1"]);
});

test("explains the number of each", async () => {
  const targets = ranked(["1.5", "x", undefined]);
  const selector = await selectorOf(priority(), fakePool(targets));
  expect(selector.explain?.(targets, fakeExchange())).toEqual([
    { id: "t1", score: -1, note: "priority 1.5, stands by; 0 under way, weight 1" },
    { id: "t2", score: -2, note: "priority is no number, comes last, stands by; 0 under way, weight 1" },
    { id: "t3", score: 1, note: "priority 0; 0 under way, weight 1" },
  ]);
});

describe("local first, then the cloud", () => {
  test("sends to the cloud while what is local has its maxConcurrency, and no longer", async () => {
    const release: (() => void)[] = [];
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((resolve) => void (arrive = resolve));
    const local: RequestListener = (_req, res) => {
      release.push(() => void res.end("local"));
      arrive();
    };
    await withCloud(local, async (get) => {
      const held = get();
      await arrived;
      expect([await get(), await get()]).toEqual(["cloud", "cloud"]);
      release[0]?.();
      expect(await held).toBe("local");
      const next = get();
      await expect.poll(() => release.length).toBe(2);
      release[1]?.();
      expect(await next).toBe("local");
    });
  });

  test("sends to the cloud what cannot connect", async () => {
    await withCloud(null, async (get) => expect([await get(), await get()]).toEqual(["cloud", "cloud"]));
  });
});

/** A proxy before a local upstream that takes one request at a time, or refuses all, and one of priority 1. */
async function withCloud(local: RequestListener | null, run: (get: () => Promise<string>) => Promise<void>) {
  const servers = [createServer(local ?? saying("local")), createServer(saying("cloud"))] as const;
  await Promise.all(servers.map((server) => new Promise<void>((done) => void server.listen(0, "127.0.0.1", done))));
  const [near, far] = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  if (local === null) servers[0].close();
  const targets = [
    { url: far as string, labels: { priority: "1" } },
    { url: near as string, maxConcurrency: 1 },
  ];
  const proxy = await createProxy({ plugins: [staticTargets({ targets }), priority()] });
  const { url } = await proxy.listen();
  try {
    await run(async () => (await fetch(url)).text());
  } finally {
    await proxy.close({ deadline: 0 });
    for (const server of servers) server.closeAllConnections();
    for (const server of servers) server.close();
  }
}

function ranked(
  ranks: readonly (string | undefined)[],
  fields: (index: number) => FakeTargetFields = () => ({}),
): readonly FakeTarget[] {
  return fakeTargets(ranks.length, (index) => ({ labels: labelled("priority", ranks[index]), ...fields(index) }));
}

function labelled(label: string, value: string | undefined): Target["labels"] {
  return value === undefined ? {} : { [label]: value };
}

/** Who is picked, and who when that was tried, until none is left. */
async function inTurn(plugin: Plugin, targets: readonly Target[]): Promise<string[]> {
  const selector = await selectorOf(plugin, fakePool(targets));
  const tried: Target[] = [];
  for (let left = targets; left.length > 0; left = targets.filter((target) => !tried.includes(target))) {
    tried.push(selector.pick(left, fakeExchange({ tried: [...tried] })) as Target);
  }
  return tried.map(({ id }) => id);
}
