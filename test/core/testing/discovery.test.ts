import { describe, expect, test } from "vitest";
import { definePlugin, type DiscoverySink, type Plugin, type TargetSpec } from "plugboard";
import { discoveryOf, fakeSink, testDiscovery } from "plugboard/testing";
import { failures } from "./failures.ts";

const expected: readonly TargetSpec[] = [
  { url: "http://127.0.0.1:1" },
  { id: "b", url: "http://127.0.0.1:2", weight: 2 },
];
const specs = (): TargetSpec[] => expected.map((spec) => ({ ...spec }));

type Start = (sink: DiscoverySink, signal: AbortSignal) => void | Promise<void>;

const discovery = (start: Start, pool?: string) =>
  definePlugin({
    name: "source",
    setup(proxy) {
      proxy.provide("discovery", "source", pool === undefined ? { start } : { pool, start });
    },
  });

const fails = (create: () => Plugin) => failures((run) => testDiscovery({ test: run, create, expected }));

describe("the suite passes", () => {
  test("one that replaces", async () => {
    expect(await fails(discovery((sink) => sink.replace(specs())))).toEqual([]);
  });

  test("one that comes to its targets step by step, later, and goes on until it is stopped", async () => {
    const watching = discovery(async (sink, signal) => {
      sink.replace([{ url: "http://127.0.0.1:9" }]);
      await Promise.resolve();
      for (const spec of specs()) sink.upsert(spec);
      sink.remove("http://127.0.0.1:9");
      const again = (): void => {
        if (signal.aborted) return;
        sink.replace(specs());
        setImmediate(again);
      };
      again();
    });
    expect(await fails(watching)).toEqual([]);
  });

  test("one that refuses to start when it is stopped already", async () => {
    const refusing = discovery(async (sink, signal) => {
      signal.throwIfAborted();
      sink.replace(specs());
    });
    expect(await fails(refusing)).toEqual([]);
  });
});

describe("the suite fails a discovery that", () => {
  const knows = "knows its targets when its start is over";
  const more = "pushes nothing more when its signal has aborted";
  let started = 0;

  const broken: readonly (readonly [string, () => Plugin, string])[] = [
    ["fills another pool", discovery((sink) => sink.replace(specs()), "other"), "fills the pool default"],
    ["leaves a target out", discovery((sink) => sink.replace(specs().slice(1))), knows],
    ["has one too many", discovery((sink) => sink.replace([...specs(), { url: "http://127.0.0.1:3" }])), knows],
    ["loses a weight", discovery((sink) => sink.replace(specs().map(({ id, url }) => ({ id, url })))), knows],
    [
      "takes the last replace for an addition",
      discovery((sink) => (sink.replace(specs()), sink.replace(specs().slice(1)))),
      knows,
    ],
    ["lists a target twice", discovery((sink) => sink.replace([...specs(), ...specs()])), knows],
    ["is ready before it knows anything", discovery((sink) => void setImmediate(() => sink.replace(specs()))), knows],
    [
      "tells of an error that it does not have",
      discovery((sink) => (sink.replace(specs()), sink.fail(new Error("none")))),
      knows,
    ],
    [
      "pushes a url with credentials",
      discovery((sink) => sink.replace([{ url: "http://a:b@127.0.0.1" }])),
      "pushes targets that core can take",
    ],
    [
      "pushes a weight below 0",
      discovery((sink) => sink.replace([{ url: "http://a", weight: -1 }])),
      "pushes targets that core can take",
    ],
    ["starts once only", () => once(), "starts anew for each generation with the same targets"],
    [
      "shares its start among instances",
      discovery((sink) => sink.replace(started++ % 2 === 0 ? specs() : [])),
      "two instances do not feed or stop each other",
    ],
    [
      "goes on after its end",
      discovery((sink) => {
        sink.replace(specs());
        setImmediate(() => sink.replace(specs()));
      }),
      more,
    ],
    [
      "starts although it was stopped",
      discovery((sink) => {
        sink.replace(specs());
        setImmediate(() => sink.upsert({ url: "http://127.0.0.1:3" }));
      }),
      "ends a start whose signal has aborted already",
    ],
    [
      "writes to what it has pushed",
      () => {
        const kept = specs();
        return discovery((sink) => {
          for (const spec of kept) spec.weight ??= 1;
          kept[0]!.weight = 1;
          sink.replace(kept);
        })();
      },
      "starts anew for each generation with the same targets",
    ],
  ];

  for (const [what, create, name] of broken) {
    test(what, async () => {
      expect(await fails(create)).toContain(name);
    });
  }

  test("provides none", async () => {
    await expect(discoveryOf(definePlugin({ name: "none", setup: () => undefined })())).rejects.toThrow(
      'plugin "none" provides no discovery',
    );
  });
});

test("a fake sink keeps what core would keep", () => {
  const sink = fakeSink();
  sink.replace([{ url: "http://a" }, { id: "b", url: "http://b" }]);
  sink.upsert({ id: "b", url: "http://c" });
  sink.remove("http://a");
  sink.fail("down");
  expect([...sink.targets]).toEqual([["b", { id: "b", url: "http://c" }]]);
  expect(sink.calls).toEqual(["replace", "upsert", "remove", "fail"]);
  expect(sink.errors).toEqual(["down"]);
});

function once(): Plugin {
  let known = false;
  return discovery((sink) => {
    if (!known) sink.replace(specs());
    known = true;
  })();
}
