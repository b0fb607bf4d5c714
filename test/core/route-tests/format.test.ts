import { describe, expect, test } from "vitest";
import { mistakesIn, tableOf } from "./_tables.ts";

const good = `
config: proxy.config.ts
targets:
  gpu-1: { down: "probe failed" }
  gpu-2: { coolingDown: 42, inflight: 8 }
tests:
  - name: fast goes to a small model
    request: { model: fast, stream: true, headers: { x-team: search } }
    targets: { gpu-2: { down: false } }
    expect:
      route: fast
      dropped: { gpu-1: /down/ , cloud: "not a candidate" }
      upstream: { headers: { authorization: null }, body: { model: m } }
      share: { gpu-1: 33.4, gpu-2: 33.4, gpu-3: 33.4 }
      draws: 100
  - request: { method: get, path: /v1/models }
    expect: { status: 200 }
  - request: { body: { input: [1, 2] } }
    seed: 3
    expect: { candidates: [] }
`;

async function mistakes(entry: string): Promise<string[]> {
  const found = await mistakesIn("routes.yaml", `tests:\n  - ${entry}`);
  return found.map((mistake) => mistake.replace(/^\S+ \| /, ""));
}

const request = "request: { model: a }";

test("takes all that a table may say", async () => {
  const { mistakes: found } = await tableOf("routes.yaml", good.replace(/^config.*$/m, ""));
  expect(found).toBeUndefined();
});

test("tells all mistakes of a file at once, in its order", async () => {
  const text = `targets:
  gpu-1: { dwon: true, inflight: -1 }
tests:
  - request: { modle: fast }
    expect: { target: 1 }
  - request: { model: fast }
tetss: 1
`;
  expect(await mistakesIn("routes.yaml", text)).toEqual([
    '2:12 | targets.gpu-1.dwon | unknown key dwon | did you mean "down"?',
    "2:24 | targets.gpu-1.inflight | Expected a whole number from 0 to 1000000",
    '4:16 | tests.0.request.modle | unknown key modle | did you mean "model"?',
    "5:15 | tests.0.expect.target | Expected text; what YAML reads as something else goes in quotes",
    "6:5 | tests.1 | expect is missing",
    '7:1 | tetss | unknown key tetss | did you mean "tests"?',
  ]);
});

test("names the keys there are where a key is like none of them", async () => {
  expect(await mistakes(`{ ${request}, expect: { target: a, zzzzzz: 1 } }`)).toEqual([
    expect.stringMatching(
      /^tests\.0\.expect\.zzzzzz \| unknown key zzzzzz \| the keys here are route, selector, target/,
    ),
  ]);
});

describe("refuses", () => {
  test.each([
    ["a test that expects nothing", `{ ${request}, expect: {} }`, "Expected at least one expectation"],
    ["an expect without a word", `{ ${request}, expect: }`, "Expected at least one expectation"],
    ["only a seed", `{ ${request}, expect: { seed: 5 } }`, "Expected at least one expectation"],
    ["a test that is no test", "5", "Expected a test"],
    ["a request that asks nothing", "{ request: {}, expect: { target: a } }", "Expected a model, a path or a body"],
    ["a model beside a body", "{ request: { model: a, body: x }, expect: { target: a } }", "either a body or a model"],
    ["a stream of nothing", "{ request: { path: /, stream: true }, expect: { target: a } }", "a model beside stream"],
    ["a path without a slash", "{ request: { path: v1 }, expect: { target: a } }", "begins with a slash"],
    ["a method of two words", "{ request: { path: /, method: A B }, expect: { target: a } }", "Expected a method"],
    [
      "a header's name with a space",
      '{ request: { path: /, headers: { "a b": c } }, expect: { target: a } }',
      "name of a header",
    ],
    [
      "a header on two lines",
      '{ request: { path: /, headers: { a: "b\\nc" } }, expect: { target: a } }',
      "on one line",
    ],
    [
      "a header that is a number",
      "{ request: { path: /, headers: { a: 5 } }, expect: { target: a } }",
      "Expected text",
    ],
    ["a pattern that cannot be read", `{ ${request}, expect: { dropped: { a: "/(/" } } }`, "can be read"],
    ["a reason that says nothing", `{ ${request}, expect: { dropped: { a: "" } } }`, "text of the reason"],
    ["nobody to be dropped", `{ ${request}, expect: { dropped: {} } }`, "at least one target id"],
    ["more than all", `{ ${request}, expect: { share: { a: 60, b: 60 } } }`, "100 per cent in all"],
    ["a negative share", `{ ${request}, expect: { share: { a: -1 } } }`, "per cent from 0 to 100"],
    ["an upstream without a word", `{ ${request}, expect: { upstream: {} } }`, "at least one of method"],
    ["a status that is none", `{ ${request}, expect: { status: 1000 } }`, "from 100 to 599"],
    ["draws without a share", `{ ${request}, draws: 5, expect: { target: a } }`, "Expected share beside draws"],
    ["a seed twice", `{ ${request}, seed: 1, expect: { target: a, seed: 2 } }`, "Expected draws, seed and within once"],
    ["a list of shares", `{ ${request}, expect: { share: [50, 50] } }`, "Expected per cent by target id"],
    ["a list of headers", "{ request: { path: /, headers: [a] }, expect: { target: a } }", "Expected headers"],
    ["a list as request", "{ request: [a, b], expect: { target: a } }", "Expected a request"],
    ["too many draws", `{ ${request}, expect: { share: { a: 1 }, draws: 1e9 } }`, "from 1 to 1000000"],
    ["a number that is none", `{ ${request}, expect: { share: { a: .nan } } }`, "Expected per cent"],
    ["a body that goes round", "{ request: { body: &b [*b] }, expect: { target: a } }", "Expected what JSON can say"],
    [
      "a state that is none",
      `{ ${request}, targets: { a: 5 }, expect: { target: a } }`,
      "Expected the state of a target",
    ],
  ])("%s", async (_, text, message) => {
    expect(await mistakes(text)).toEqual([expect.stringContaining(message)]);
  });

  test("a table without a test, or that is no table", async () => {
    expect(await mistakesIn("a.yaml", "tests: []")).toEqual(["1:1 | tests | Expected at least one test"]);
    expect(await mistakesIn("a.yaml", "targets: {}")).toEqual(["1:1 | tests is missing"]);
    expect(await mistakesIn("a.yaml", "- a")).toEqual([expect.stringContaining("Expected a table of tests")]);
    expect(await mistakesIn("a.yaml", "hello")).toEqual([expect.stringContaining("Expected a table of tests")]);
  });

  test("a config that is not there", async () => {
    expect(await mistakesIn("routes.yaml", good)).toEqual(["2:1 | config | there is no file proxy.config.ts"]);
  });
});
