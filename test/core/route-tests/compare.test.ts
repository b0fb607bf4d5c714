import { describe, expect, test } from "vitest";
import { compare } from "../../../core/route-tests/compare.ts";
import type { RouteExpectation } from "../../../core/route-tests/define.ts";
import type { Difference } from "../../../core/route-tests/difference.ts";
import { explanation, refused } from "./_tables.ts";

const known = new Set(["gpu-1", "gpu-2", "cloud"]);

function differences(expectation: RouteExpectation, found = explanation()): Difference[] {
  return compare(expectation, { explanation: found, known, draws: 1_000, within: 5 });
}

test("everything that is said and true makes no difference", () => {
  expect(
    differences({
      route: "fast",
      selector: "in-order",
      target: "gpu-2",
      attempts: ["gpu-2", "gpu-1"],
      candidates: ["gpu-2", "gpu-1"],
      dropped: { cloud: "probe failed" },
      model: "qwen3-8b",
      upstream: {
        method: "POST",
        url: "http://gpu-2:8000/v1/chat/completions?a=1",
        path: "/v1/chat/completions?a=1",
        headers: { "X-Team": "search", authorization: "***", accept: "a, b", "x-other": null },
        body: { model: "qwen3-8b", messages: [{ role: "user" }], user: null },
      },
    }),
  ).toEqual([]);
  expect(differences({ status: 503, code: "no_targets" }, refused)).toEqual([]);
});

describe("each thing that is said is compared", () => {
  test.each<[RouteExpectation, Difference]>([
    [{ route: "smart" }, { path: "route", expected: "smart", received: "fast" }],
    [{ selector: "random" }, { path: "selector", expected: "random", received: "in-order" }],
    [{ target: "gpu-1" }, { path: "target", expected: "gpu-1", received: "gpu-2" }],
    [
      { attempts: ["gpu-1", "gpu-2"] },
      { path: "attempts", expected: ["gpu-1", "gpu-2"], received: ["gpu-2", "gpu-1"] },
    ],
    [{ attempts: ["gpu-2"] }, { path: "attempts", expected: ["gpu-2"], received: ["gpu-2", "gpu-1"] }],
    [{ candidates: ["gpu-1"] }, { path: "candidates", expected: ["gpu-1"], received: ["gpu-1", "gpu-2"] }],
    [{ candidates: [] }, { path: "candidates", expected: [], received: ["gpu-1", "gpu-2"] }],
    [{ model: "other" }, { path: "model", expected: "other", received: "qwen3-8b" }],
    [{ status: 200 }, { path: "status", expected: 200, received: null, hint: "it is sent to gpu-2" }],
    [{ code: "x" }, { path: "code", expected: "x", received: null, hint: "it is sent to gpu-2" }],
    [{ upstream: { method: "GET" } }, { path: "upstream.method", expected: "GET", received: "POST" }],
    [
      { upstream: { url: "http://x" } },
      { path: "upstream.url", expected: "http://x", received: explanation().upstream?.url },
    ],
    [
      { upstream: { path: "/v1/chat/completions" } },
      { path: "upstream.path", expected: "/v1/chat/completions", received: "/v1/chat/completions?a=1" },
    ],
    [
      { upstream: { headers: { "x-team": null } } },
      { path: "upstream.headers.x-team", expected: "not sent", received: "search" },
    ],
    [{ upstream: { headers: { "x-b": "1" } } }, { path: "upstream.headers.x-b", expected: "1", received: null }],
    [
      { upstream: { headers: { authorization: "Bearer a" } } },
      {
        path: "upstream.headers.authorization",
        expected: "Bearer a",
        received: "***",
        hint: 'a secret: expect "***" for any value',
      },
    ],
    [{ upstream: { body: "{}" } }, { path: "upstream.body", expected: "{}", received: explanation().upstream?.body }],
  ])("%j", (expectation, difference) => {
    expect(differences(expectation)).toEqual([difference]);
  });
});

describe("a body", () => {
  test("has what is expected at any depth, and may have more", () => {
    expect(
      differences({ upstream: { body: { messages: [{ content: "ho" }], stream: false, user: "me", n: 1 } } }),
    ).toEqual([
      { path: "upstream.body.messages.0.content", expected: "ho", received: "hi" },
      { path: "upstream.body.stream", expected: false, received: true },
      { path: "upstream.body.user", expected: "me", received: null },
      { path: "upstream.body.n", expected: 1, received: null },
    ]);
  });

  test("has lists of the length that is expected", () => {
    expect(differences({ upstream: { body: { messages: [] } } })).toHaveLength(1);
    expect(differences({ upstream: { body: { messages: [{}, {}] } } })).toHaveLength(1);
    expect(differences({ upstream: { body: { messages: {} } } })).toHaveLength(1);
    expect(differences({ upstream: { body: { model: [] } } })).toHaveLength(1);
  });

  test("has a null where one is expected, not nothing at all", () => {
    expect(differences({ upstream: { body: { user: null } } })).toEqual([]);
    expect(differences({ upstream: { body: { who: null } } })).toMatchObject([{ hint: "it is missing" }]);
  });

  test("that is no JSON is shown whole", () => {
    const plain = explanation({ upstream: { method: "POST", url: "http://a/", headers: {}, body: "hello" } });
    expect(differences({ upstream: { body: { a: 1 } } }, plain)).toMatchObject([
      { received: "hello", hint: "it is no JSON" },
    ]);
    expect(differences({ model: "m" }, plain)).toEqual([{ path: "model", expected: "m", received: null }]);
  });
});

describe("what was dropped", () => {
  test.each([
    ["text of the reason", "failed"],
    ["text with signs of a pattern", "test: probe"],
    ["a pattern as text", "/^DOWN .* failed$/i"],
    ["a pattern", /probe/],
    ["a pattern that remembers its place", /probe/g],
  ])("is known by %s", (_, reason) => {
    for (let i = 0; i < 2; i++) expect(differences({ dropped: { cloud: reason } })).toEqual([]);
  });

  test("for another reason shows both", () => {
    expect(differences({ dropped: { cloud: "/cooling/" } })).toEqual([
      { path: "dropped.cloud", expected: "/cooling/", received: "down by test: probe failed" },
    ]);
    expect(differences({ dropped: { cloud: "p.obe" } })).toHaveLength(1);
  });

  test("and was not is told so", () => {
    expect(differences({ dropped: { "gpu-1": "x", "gpu-2": "x" } })).toMatchObject([
      { received: null, hint: "it is a candidate" },
      { received: null, hint: "it is a candidate: the first in order" },
    ]);
  });

  test("is dropped under all its models, for whatever reason, or not at all", () => {
    const face = (model: string, kept: boolean, reason: string) => ({ id: "cloud", url: "", model, kept, reason });
    const [down, other, kept] = [face("a", false, "down"), face("b", false, "weight 0"), face("b", true, "")];
    expect(differences({ dropped: { cloud: "down" } }, explanation({ candidates: [down, kept] }))).toHaveLength(1);
    expect(differences({ dropped: { cloud: "down" } }, explanation({ candidates: [down, other] }))).toEqual([]);
  });

  test("is a candidate once, under however many models", () => {
    const face = { id: "cloud", url: "", kept: true, reason: "" };
    expect(differences({ candidates: ["cloud"] }, explanation({ candidates: [face, face] }))).toEqual([]);
  });
});

describe("shares", () => {
  const found = explanation({ distribution: { "gpu-1": 700, "gpu-2": 300 } });

  test("may be off by as much as is allowed, and no more", () => {
    expect(differences({ share: { "gpu-1": 65, "gpu-2": 35, cloud: 0 } }, found)).toEqual([]);
    expect(differences({ share: { "gpu-1": 64.9, cloud: 6 } }, found)).toEqual([
      { path: "share.gpu-1", expected: 64.9, received: 70, hint: "per cent of 1000 requests, within 5" },
      { path: "share.cloud", expected: 6, received: 0, hint: "per cent of 1000 requests, within 5" },
    ]);
  });

  test("of a request that goes nowhere are none", () => {
    expect(differences({ share: { "gpu-1": 100 } }, refused)).toMatchObject([
      { received: 0, hint: "answered here with 503 no_targets" },
    ]);
  });
});

describe("hints", () => {
  test("say how a request that goes nowhere was answered", () => {
    for (const expectation of [
      { target: "gpu-1" },
      { model: "m" },
      { attempts: ["gpu-1"] },
      { upstream: { body: { a: 1 } } },
    ]) {
      expect(differences(expectation, refused)).toMatchObject([{ hint: "answered here with 503 no_targets" }]);
    }
    const headers = { "x-a": null };
    expect(differences({ upstream: { headers } }, refused)).toMatchObject([{ expected: "not sent", received: null }]);
  });

  test("say which plugin answers", () => {
    const note = "answered here, by plugin stats";
    const here = explanation({ attempts: [], upstream: undefined, steps: [{ phase: "request", note }] });
    expect(differences({ status: 200 }, here)).toMatchObject([{ received: null, hint: note }]);
  });

  test("name an id that no target has", () => {
    const hint = "no target has the id gpu-22; did you mean gpu-2?";
    for (const expectation of [
      { target: "gpu-22" },
      { attempts: ["gpu-22"] },
      { candidates: ["gpu-22"] },
      { dropped: { "gpu-22": "x" } },
      { share: { "gpu-22": 50 } },
    ]) {
      expect(differences(expectation)).toMatchObject([{ hint }]);
    }
  });
});

test("a plugin that fails over the first attempt is no success", () => {
  const broken = explanation({ reply: { status: 500, code: "internal_error", body: "" } });
  expect(differences({ target: "gpu-2" }, broken)).toEqual([
    { path: "status", expected: "no answer here", received: 500, hint: "internal_error before anything is sent" },
  ]);
  expect(differences({ target: "gpu-2", status: 500 }, broken)).toEqual([]);
});
