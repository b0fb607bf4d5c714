import { describe, expect, test, vi } from "vitest";
import type { Exchange, Plugin, Selector, Target } from "plugboard";
import { testSelector } from "plugboard/testing";
import { withWeight, faceOf, lowest, selector, weighted } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 30_000 });

const fails = (create: () => Plugin) => failures((run) => testSelector({ test: run, create }));

const many = "picks from a list of 10,000";
const firstUp = "picks whichever is the first that is up, with a weight or without";
const someLoad = "picks when nothing is known of the load of one";
const kept = "keeps over reloads nothing of targets that have left";
const leaving = "counts right when a target leaves while attempts to it are under way, and comes back";
const otherFace = "does not flood a face of a target when attempts to another face of it end there";
const scores = "scores each target at its place, and picks as if it had not";
const numbers = "explains and scores whatever list it is given, new or known, by numbers";
const views = "picks from views of targets, and returns the view";
const twoFaces = "picks from a list that holds two faces of one target";
const names = "picks from targets and for models whose names every object knows";
const spread = "spreads over targets of such names as over others";
const facts = "picks whatever labels and facts discovery gives its targets";
const notJson = "picks for bodies that are missing, empty or not JSON";
const anyJson = "picks for JSON bodies of any shape";
const large = "picks for a body of a megabyte, and one nested a thousand times";
const heads = "picks for headers, models, addresses and paths of any kind";

/** Counts attempts under way by itself. */
function counting(busy: Map<string, number>, ended: Selector["attemptEnd"], keyOf = faceOf): Selector {
  return {
    pick: (targets) => lowest(targets, (target) => busy.get(keyOf(target)) ?? 0),
    attemptStart: (target) => void busy.set(keyOf(target), (busy.get(keyOf(target)) ?? 0) + 1),
    ...(ended && { attemptEnd: ended }),
  };
}

/** Picks well, after a look at the request. */
function looking(look: (x: Exchange) => unknown): () => Plugin {
  return selector(() => ({ pick: (targets, x) => (look(x), weighted(targets)) }));
}

const asJson = (x: Exchange) => x.json<{ messages?: { content: string }[] }>();

describe("the suite fails, in the case that is for it, a selector that", () => {
  const broken: readonly (readonly [string, () => Plugin, readonly string[]])[] = [
    [
      "has room for so many targets only",
      selector(() => ({ pick: (targets) => (targets.length > 4_096 ? undefined : weighted(targets)) })),
      [many],
    ],
    [
      "heeds weights only where the first that is up has one of its own, after a failure",
      selector((pool, { random }) => ({
        pick: (targets) =>
          targets[0]?.weight === 1 && targets.length < pool.snapshot.all.length
            ? targets[Math.floor(random() * targets.length)]
            : weighted(targets),
      })),
      [firstUp],
    ],
    [
      "scores with no number whom nobody measured, where others were",
      selector(() => ({
        pick: weighted,
        explain(targets) {
          const known = targets.length === 3 && targets.filter(({ live }) => live.ttfb > 89).length === 2;
          return targets.map(({ id, live }) => ({ id, score: known ? 1 / live.ttfb : 1 }));
        },
      })),
      [someLoad],
    ],
    [
      "keeps what it counts of targets that are gone",
      selector((_pool, { keep }) => {
        const used = keep("used", () => new Map<string, number>());
        return { pick: weighted, attemptStart: ({ id }) => void used.set(id, (used.get(id) ?? 0) + 1) };
      }),
      [kept],
    ],
    [
      "does not hear of ends while their target is gone",
      selector((pool) => {
        const busy = new Map<string, number>();
        return counting(busy, (target) => {
          const { all } = pool.snapshot;
          if (all.length > 0 && !all.includes(target)) return;
          busy.set(faceOf(target), Math.max(0, (busy.get(faceOf(target)) ?? 0) - 1));
        });
      }),
      [leaving],
    ],
    [
      "looks at the target when it counts, and at the face where it counts it",
      selector(() => {
        const [busy, targets] = [new Map<string, number>(), new Map<string, number>()];
        const counts = counting(busy, (target) => {
          if ((targets.get(target.id) ?? 0) <= 0) return;
          targets.set(target.id, (targets.get(target.id) ?? 0) - 1);
          busy.set(faceOf(target), (busy.get(faceOf(target)) ?? 0) - 1);
        });
        return {
          ...counts,
          attemptStart(target, x) {
            targets.set(target.id, (targets.get(target.id) ?? 0) + 1);
            counts.attemptStart?.(target, x);
          },
        };
      }),
      [otherFace],
    ],
    [
      "scores with no number where a count is below 0",
      selector(() => ({
        pick: weighted,
        explain: (targets) => targets.map(({ id, live }) => ({ id, score: 1 / (live.inflight + 1) })),
      })),
      [numbers],
    ],
    [
      "says nothing in its notes",
      selector(() => ({ pick: weighted, explain: (targets) => targets.map(({ id }) => ({ id, score: 1, note: "" })) })),
      [
        "picks when nothing is known of the load of one",
        "explains each target of the list once, and picks as if it had not",
        numbers,
        views,
        twoFaces,
        names,
        facts,
        notJson,
        anyJson,
        large,
        heads,
      ],
    ],
    [
      "scores below 0 what is busy",
      selector(() => ({
        pick: weighted,
        score: (targets, _x, into) => targets.forEach(({ live }, i) => void (into[i] = 9 - live.inflight)),
      })),
      [numbers],
    ],
    [
      "takes a turn to score",
      selector(() => {
        let next = 0;
        return {
          pick: (targets) => withWeight(targets)[next++ % withWeight(targets).length],
          score: (targets, _x, into) => void into.fill(++next, 0, targets.length),
        };
      }),
      [scores],
    ],
    [
      "picks the target rather than its view",
      selector((pool) => ({
        pick(targets) {
          const picked = weighted(targets);
          return targets.includes(picked as Target) && picked?.model !== undefined
            ? (pool.snapshot.all.find(({ id, origin }) => id === picked.id && origin === picked.origin) ?? picked)
            : picked;
        },
      })),
      [views, twoFaces, names, facts],
    ],
    [
      "finds the face of its pick by the id",
      selector(() => ({
        pick(targets) {
          const best = weighted(targets);
          return targets.find(({ id }) => id === best?.id);
        },
      })),
      [twoFaces],
    ],
    [
      "makes lists by name in a plain object",
      selector(() => {
        const known: Record<string, number[]> = {};
        return { pick: weighted, attemptStart: ({ id }) => void (known[id] ??= []).push(1) };
      }),
      [names, spread],
    ],
    [
      "counts by name in a plain object",
      selector(() => {
        const busy: Record<string, number> = {};
        return {
          pick: (targets) => lowest(targets, ({ id }) => busy[id] ?? 0),
          attemptStart: ({ id }) => void (busy[id] = (busy[id] ?? 0) + 1),
          attemptEnd: ({ id }) => void (busy[id] = Math.max(0, (busy[id] ?? 0) - 1)),
        };
      }),
      [spread],
    ],
    [
      "trusts discovery with its prices",
      selector(() => ({
        pick: (targets) =>
          lowest(targets, ({ meta: { price = 0 } }) =>
            typeof price === "object" ? (price as { input: number }).input : Number(price),
          ),
      })),
      [facts],
    ],
    ["parses what is no JSON", looking(({ body }) => body && JSON.parse(new TextDecoder().decode(body))), [notJson]],
    [
      "takes JSON for an object with messages",
      looking((x) => asJson(x)?.messages?.map(({ content }) => content.length)),
      [anyJson, large],
    ],
    ["puts a whole body on the stack", looking(({ body = [] }) => String.fromCharCode(...body)), [large]],
    [
      "takes a header for a string",
      looking((x) => (x.headers["x-session-id"] as string | undefined)?.split(",")),
      [heads],
    ],
    ["takes an address for granted", looking((x) => (x.ip as string).split(".")), [heads]],
  ];

  for (const [what, create, cases] of broken) {
    test(what, async () => {
      expect(await fails(create)).toEqual(cases);
    });
  }
});
