import { describe, expect, test } from "vitest";
import { type Exchange, type Selector, type Target } from "plugboard";
import { inOrder } from "plugboard/plugins/select/in-order";
import { size, type SizeOptions } from "plugboard/plugins/select/size";
import {
  fakeExchange,
  fakeOutcome,
  fakePool,
  fakeTargets,
  selectorOf,
  testPlugin,
  testSelector,
} from "plugboard/testing";
import { textSize } from "../../../plugins/select/_text-size.ts";
import { listening } from "./listening.ts";
import { posting, postingText, postThrough } from "./select-bodies.ts";

testSelector({ test, create: () => size(), law: ["proportional", "frugal"] });

testPlugin({
  test,
  create: () => size(),
  badOptions: [
    { options: { threshold: -1 }, says: "threshold: Expected bytes, 0 or more" },
    { options: { small: "" }, says: "small: Expected a word, not an empty string" },
    { options: { label: 5 }, says: "label" },
    { options: { inner: "random" }, says: "inner: Expected a selector such as leastConnections()" },
    { options: { strict: "yes" }, says: "strict" },
    { options: { treshold: 5 }, says: 'did you mean "threshold"?' },
  ],
});

describe("the size of a request", () => {
  test("is the bytes of UTF-8 in the texts of its messages, as InfiniLM counts them", () => {
    const parts = [{ type: "text", text: "é" }, { content: "ab" }, { type: "image_url", image_url: { url: "long" } }];
    expect(textSize({ messages: [{ content: "€uro" }, { content: parts }, {}, null], prompt: "not counted" })).toBe(10);
  });

  test("is that of the prompt when there are no messages", () => {
    expect(textSize({ prompt: "abc" })).toBe(3);
    expect(textSize({ prompt: ["ab", "€", 7] })).toBe(5);
  });

  test("is 0 for anything else", () => {
    for (const body of [undefined, null, "text", 5, [], {}, { input: "text" }, { messages: "text" }, { prompt: 5 }]) {
      expect(textSize(body)).toBe(0);
    }
  });
});

describe("picks", () => {
  test("large above the threshold, small at it", async () => {
    const { targets, selector } = await labelled({ threshold: 100 });
    expect(selector.pick(targets, saying(100))?.id).toBe("t1");
    expect(selector.pick(targets, saying(101))?.id).toBe("t2");
  });

  test("large above 51,200 bytes unless told otherwise", async () => {
    const { targets, selector } = await labelled();
    expect([51_200, 51_201].map((bytes) => selector.pick(targets, saying(bytes))?.id)).toEqual(["t1", "t2"]);
  });

  test("small for what has no text, and for what is not JSON, however long", async () => {
    const { targets, selector } = await labelled({ threshold: 10 });
    const long = "x".repeat(1_000);
    for (const x of [fakeExchange(), posting({ user: long }), postingText(long), posting([long])]) {
      expect(selector.pick(targets, x)?.labels["cache_type"]).toBe("paged");
    }
  });

  test("without parsing a body that is no longer than the threshold", async () => {
    const { targets, selector } = await labelled({ threshold: 1_000 });
    const json = (): never => expect.fail("parsed");
    expect(selector.pick(targets, { ...saying(900), json })?.id).toBe("t1");
  });

  test("by its own words, from the label before the meta", async () => {
    const options = { threshold: 10, label: "kind", small: "s", large: "l", inner: inOrder() };
    const targets = fakeTargets(3, (index) => ({
      labels: { [index === 0 ? "kind" : "other"]: "s" },
      meta: { kind: index === 2 ? "s" : "l" },
    }));
    const selector = await selectorOf(size(options), fakePool(targets));
    expect([5, 50].map((bytes) => selector.pick(targets, saying(bytes))?.id)).toEqual(["t1", "t2"]);
    const others = targets.slice(1);
    expect(selector.pick(others, saying(5))?.id).toBe("t3");
  });

  test("among those for the size by turns of their own, whatever comes between", async () => {
    const { targets, selector } = await labelled({ threshold: 10 });
    const picked = Array.from({ length: 8 }, (_, i) => selector.pick(targets, saying(i % 2 === 0 ? 5 : 50))?.id);
    expect(picked.join(" ")).toBe("t1 t2 t3 t4 t1 t2 t3 t4");
  });

  test("no target of weight 0 that is for the size while another has a weight", async () => {
    const { selector } = await labelled({ threshold: 10 });
    const targets = fakeTargets(3, (index) => ({
      weight: index,
      labels: { cache_type: index === 0 ? "paged" : "static" },
    }));
    for (let i = 0; i < 9; i++) expect(selector.pick(targets, saying(5))?.id).not.toBe("t1");
  });

  test("among all when none is for the size, and none of them if it is strict", async () => {
    const targets = fakeTargets(2, { labels: { cache_type: "paged" } });
    const loose = await selectorOf(size({ threshold: 10 }), fakePool(targets));
    expect([0, 1, 2].map(() => loose.pick(targets, saying(50))?.id)).toEqual(["t1", "t2", "t1"]);
    const strict = await selectorOf(size({ threshold: 10, strict: true }), fakePool(targets));
    expect(strict.pick(targets, saying(50))).toBeUndefined();
    expect(strict.pick(targets, saying(5))?.id).toBe("t1");
  });

  test("from the list of a retry, and takes no turn from the others by it", async () => {
    const { targets, selector } = await labelled({ threshold: 10 });
    expect(selector.pick(targets, saying(5))?.id).toBe("t1");
    const left = Object.freeze(targets.slice(1));
    expect(selector.pick(left, { ...saying(5), tried: [targets[0] as Target] })?.id).toBe("t3");
    expect(selector.pick(targets, saying(5))?.id).toBe("t3");
  });
});

test("tells of an attempt the inner selector that picked, once", async () => {
  const { plugin, heard } = listening(3);
  const targets = fakeTargets(3, (index) => ({ labels: { cache_type: ["paged", "static", "other"][index] ?? "" } }));
  const pool = fakePool(targets);
  const selector = await selectorOf(size({ threshold: 10, inner: plugin }), pool);
  for (const [list, x] of [
    [targets, saying(5)],
    [targets, saying(50)],
    [targets.slice(1), saying(5)],
  ] as const) {
    const target = selector.pick(list, x) as Target;
    selector.attemptStart?.(target, x);
    selector.attemptEnd?.(target, fakeOutcome(), x);
  }
  expect(heard).toEqual(["start t1 0", "end t1 200 0", "start t2 1", "end t2 200 1", "start t2 2", "end t2 200 2"]);
  selector.update?.(pool.snapshot);
  expect(heard.slice(6)).toEqual(["update 3 0", "update 3 1", "update 3 2"]);
});

describe("explains", () => {
  test("which are for the size, and why the others are not", async () => {
    const { targets, selector } = await labelled({ threshold: 10, inner: inOrder() });
    const notes = (list: readonly Target[]) =>
      selector.explain?.(list, saying(50)).map(({ score, note }) => [score, note]);
    expect(notes(targets)).toEqual([
      [0, 'a large request: cache_type is "paged"'],
      [2, "a large request; the first in order"],
      [0, 'a large request: cache_type is "paged"'],
      [1, "a large request; number 2"],
    ]);
    const odd = fakeTargets(2, (index) => ({ weight: 1 - index, labels: { cache_type: "static" } }));
    expect(notes(odd)?.[1]).toEqual([0, "a large request: weight 0, passed over"]);
    expect(notes([...odd, ...fakeTargets(1)])?.[2]).toEqual([0, "a large request: has no cache_type"]);
  });

  test("that none is for the size", async () => {
    const targets = fakeTargets(1);
    const why = 'a small request, and no target has cache_type "paged"';
    const loose = await selectorOf(size({ inner: inOrder() }), fakePool(targets));
    expect(loose.explain?.(targets, fakeExchange())[0]?.note).toBe(`${why}; the first in order`);
    const strict = await selectorOf(size({ strict: true }), fakePool(targets));
    expect(strict.explain?.(targets, fakeExchange())).toEqual([{ id: "t1", score: 0, note: why }]);
  });
});

test("looks into the bodies of requests, and leaves them as they are", async () => {
  const post = await postThrough(size({ threshold: 100 }), [{ cache_type: "paged" }, { cache_type: "static" }]);
  const picked = [50, 500, 50, 500].map((bytes) => post({ messages: [{ content: "x".repeat(bytes) }] }));
  expect(await Promise.all(picked)).toEqual(["0", "1", "0", "1"]);
});

async function labelled(options: SizeOptions = {}): Promise<{ targets: readonly Target[]; selector: Selector }> {
  const targets = fakeTargets(4, (index) => ({ labels: { cache_type: index % 2 === 0 ? "paged" : "static" } }));
  return { targets, selector: await selectorOf(size(options), fakePool(targets)) };
}

/** A request with so many bytes of text. */
function saying(bytes: number): Exchange {
  return posting({ model: "m", messages: [{ role: "user", content: "x".repeat(bytes) }] });
}
