import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Awaitable, definePlugin, type DiscoverySink, type Plugin, type TargetSpec } from "plugboard";
import { testDiscovery } from "plugboard/testing";
import { failures } from "./failures.ts";

const first: readonly TargetSpec[] = [{ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:2", weight: 2 }];
const later: readonly TargetSpec[] = [{ url: "http://127.0.0.1:2", weight: 3 }, { url: "http://127.0.0.1:3" }];

/** A source that a test can change and take away. */
interface Source {
  said: readonly TargetSpec[];
  away: boolean;
  asked: number;
}

interface Round {
  readonly sink: DiscoverySink;
  readonly said: TargetSpec[];
  /** What the source said at the setup. */
  readonly early: TargetSpec[];
  /** Rounds before this one. */
  readonly nth: number;
  /** Whether the round before found no source. */
  readonly failed: boolean;
}

/** What a discovery does that asks its source each turn of the event loop; each of these can be done wrong. */
interface Steps {
  begin(sink: DiscoverySink): Awaitable<void>;
  tell(round: Round): void;
  fail(round: Round): void;
  isOver(signal: AbortSignal): boolean;
}

const right: Steps = {
  begin: () => undefined,
  tell: ({ sink, said }) => sink.replace(said),
  fail: ({ sink }) => sink.fail(new Error("away")),
  isOver: (signal) => signal.aborted,
};

function polling(source: () => Source, wrong: Partial<Steps>): () => Plugin {
  const steps = { ...right, ...wrong };
  return definePlugin({
    name: "polling",
    setup(proxy) {
      const early = copy(source().said);
      proxy.provide("discovery", "polling", {
        async start(sink, signal) {
          let [nth, failed] = [0, false];
          function ask(): void {
            if (steps.isOver(signal) || proxy.signal.aborted) return;
            const { said, away } = source();
            const round = { sink, said: copy(said), early: copy(early), nth, failed };
            if (away) steps.fail(round);
            else steps.tell(round);
            failed = away;
            nth += 1;
            source().asked += 1;
            setImmediate(ask);
          }
          if (signal.aborted) return;
          if (source().away) await steps.begin(sink);
          ask();
        },
      });
    },
  });
}

function copy(specs: readonly TargetSpec[]): TargetSpec[] {
  return specs.map((spec) => ({ ...spec }));
}

async function fails(wrong: Partial<Steps>): Promise<string[]> {
  let source: Source = { said: first, away: false, asked: 0 };
  const create = polling(() => source, wrong);
  return failures((run) =>
    testDiscovery({
      test: run,
      create() {
        source = { said: first, away: false, asked: 0 };
        return create();
      },
      expected: first,
      patience: 100,
      change() {
        source.said = later;
        return { expected: later };
      },
      empty: () => void (source.said = []),
      breakSource: () => void (source.away = true),
      mend: () => void (source.away = false),
      async asked() {
        const { asked } = source;
        while (source.asked < asked + 3) await turn();
      },
    }),
  );
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

test("the suite passes one that follows its source", async () => {
  expect(await fails({})).toEqual([]);
});

const laws = {
  begins: "begins with what its source says at the start, not at the setup",
  ends: "ends a start that waits for a source that is away when its signal aborts",
  empty: "has no targets when its source says that there are none",
  follows: "follows its source when that changes",
  followsAgain: "follows changes again when its source was away",
  keeps: "keeps what it knows when its source is away, and tells of it",
  open: "leaves nothing open when it ends while its source is away",
  over: "follows for the generation that runs, and no longer for the one that is over",
  same: "pushes no change when its source says the same again",
  starts: "refuses a start without its source, or comes to its targets when that is back",
  well: "is well again when its source is back",
};

/** Wrong only after the source was away. */
function afterOutage(tell: (round: Round, before: TargetSpec[]) => void): Partial<Steps> {
  const lost = new WeakMap<DiscoverySink, TargetSpec[]>();
  return {
    fail(round) {
      lost.set(round.sink, round.said);
      right.fail(round);
    },
    tell(round) {
      const before = lost.get(round.sink);
      if (before === undefined) right.tell(round);
      else tell(round, copy(before));
    },
  };
}

describe("the suite fails a discovery that", () => {
  const broken: readonly (readonly [string, Partial<Steps>, string])[] = [
    ["never looks again", { tell: ({ sink, said, nth }) => void (nth === 0 && sink.replace(said)) }, laws.follows],
    [
      "tells of failures that are none",
      { tell: ({ sink, said }) => (sink.replace(said), sink.fail(new Error("none"))) },
      laws.follows,
    ],
    ["goes by what it read at the setup", { tell: ({ sink, early }) => sink.replace(early) }, laws.begins],
    [
      "takes no targets for no answer",
      { tell: ({ sink, said }) => void (said.length > 0 && sink.replace(said)) },
      laws.empty,
    ],
    [
      "changes what did not change",
      { tell: ({ sink, said, nth }) => sink.replace(said.map((spec) => ({ ...spec, weight: nth }))) },
      laws.same,
    ],
    [
      "takes a target away for a moment",
      { tell: ({ sink, said }) => (sink.remove(said[0]?.url ?? ""), sink.replace(said)) },
      laws.same,
    ],
    ["goes on for a generation that is over", { isOver: () => false }, laws.over],
    [
      "drops all when the source is away",
      { fail: ({ sink }) => (sink.replace([]), sink.fail(new Error("away"))) },
      laws.keeps,
    ],
    ["does not tell that the source is away", { fail: () => undefined }, laws.keeps],
    ["starts without its source as if that were there", { fail: () => undefined }, laws.starts],
    ["stays failed when the source is back", afterOutage(() => undefined), laws.well],
    ["has forgotten its targets when the source is back", afterOutage(({ sink }) => sink.replace([])), laws.well],
    [
      "goes by what it knew before an outage for ever",
      afterOutage(({ sink }, before) => sink.replace(before)),
      laws.followsAgain,
    ],
    ["waits for its source for ever", { begin: () => new Promise(() => {}) }, laws.ends],
    [
      "tells of a failure when its start has been given up",
      {
        async begin(sink) {
          for (let i = 0; i < 3; i++) await turn();
          sink.fail(new Error("away"));
        },
      },
      laws.ends,
    ],
    [
      "leaves a handle open",
      { fail: ({ sink, failed }) => (sink.fail(new Error("away")), void (failed || leak())) },
      laws.open,
    ],
  ];

  for (const [what, wrong, law] of broken) {
    test(what, async () => {
      expect(await fails(wrong)).toContain(law);
    });
  }
});

const leaks: Server[] = [];

function leak(): void {
  leaks.push(createServer().listen(0, "127.0.0.1"));
}

afterEach(() => {
  for (const server of leaks.splice(0)) server.close();
});
