import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toDuration } from "../../../plugins/guard/_rate-headers.ts";
import { networkOf } from "../../../plugins/guard/_rate-rules.ts";
import { askedTokens } from "../../../plugins/guard/_rate-tokens.ts";
import { createLocalStore, type Meter, type Taken } from "../../../plugins/guard/_rate-windows.ts";

describe("askedTokens", () => {
  test.each([
    ['{"max_tokens":12}', 12],
    ['{"max_completion_tokens" : 34 }', 34],
    ['{"max_output_tokens":\n  56}', 56],
    ['{"max_tokens":5,"max_completion_tokens":70}', 70],
    ['{"max_tokens":0}', 0],
    ['{"max_tokens":99999999999999999999}', 999_999_999],
    ['{"max_tokens":null}', undefined],
    ['{"max_tokens":"9"}', undefined],
    ['{"max_tokens":-3}', undefined],
    ['{"xmax_tokens":9,"max_tokenses":9,"min_tokens":9}', undefined],
    ['{"prompt":"\\"max_tokens\\":9"}', undefined],
    ['{"a":"max_tokens","b":7}', undefined],
    ["max_tokens", undefined],
    ["", undefined],
  ])("%s asks for %s", (body, asked) => expect(askedTokens(new TextEncoder().encode(body))).toBe(asked));

  test("a text that says whatever it likes asks for nothing", () =>
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', "\\", "max_tokens", ":", "9", " ", "{") }), (content) => {
        const body = Buffer.from(JSON.stringify({ messages: [{ content }] }));
        expect(askedTokens(body)).toBeUndefined();
      }),
    ));

  test("whatever the bytes, it gives a count or nothing", () =>
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (before, after) => {
        const asked = askedTokens(Buffer.concat([before, Buffer.from('"max_tokens":'), after])) ?? 0;
        expect(Number.isSafeInteger(asked) && asked >= 0).toBe(true);
      }),
    ));
});

test.each([
  [0, "0ms"],
  [-5, "0ms"],
  [0.2, "1ms"],
  [999, "999ms"],
  [1_000, "1s"],
  [1_500, "1.5s"],
  [59_999, "59.999s"],
  [360_000, "6m0s"],
  [3_600_000, "1h0m0s"],
  [90_061_001, "25h1m1.001s"],
])("%d ms are written as %s", (ms, text) => expect(toDuration(ms)).toBe(text));

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:DB8:0:0:ffff::1", "2001:db8:0:0::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:c000:201", "192.0.2.1"],
  ["::1", "0:0:0:0::/64"],
  ["::", "0:0:0:0::/64"],
  [undefined, ""],
])("%s counts as %s", (address, network) => expect(networkOf(address)).toBe(network));

describe("windows", () => {
  const meter = (): Meter => ({ rule: "all", kind: "tokens", per: 100, windows: new Map() });

  test("hold never more than the limit, never less than nothing, and no more keys than they may", () => {
    const most = 10;
    const step = fc.oneof(
      fc.record({ take: fc.nat(12), key: fc.constantFrom("a", "b", "c", "d", "e") }),
      fc.record({ give: fc.nat(50), back: fc.nat(12) }),
      fc.record({ wait: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let time = 0;
        const each = meter();
        const store = createLocalStore({ now: () => time, maxKeys: 3 });
        const taken: Taken[] = [];
        for (const one of steps) {
          if ("wait" in one) time += one.wait;
          else if ("take" in one) {
            const got = store.take({ meter: each, key: one.key, amount: one.take, most });
            if (got.fits) taken.push(got);
          } else if (taken.length > 0) {
            const which = taken[one.give % taken.length] as Taken;
            store.correct(which, -one.back);
          }
          expect(each.windows.size).toBeLessThanOrEqual(3);
          for (const { used } of each.windows.values()) expect(used >= 0 && used <= most).toBe(true);
        }
      }),
    );
  });

  test("what was used beyond what was taken counts, in the window that is there then", () => {
    let time = 0;
    const each = meter();
    const store = createLocalStore({ now: () => time, maxKeys: 3 });
    const taken = store.take({ meter: each, key: "a", amount: 5, most: 10 });
    store.correct(taken, 20);
    expect(each.windows.get("a")).toEqual({ used: 25, ends: 100 });
    time = 100;
    store.correct(taken, 7);
    expect(each.windows.get("a")).toEqual({ used: 7, ends: 200 });
  });

  test("those that are over are cleared away by those that begin", () => {
    let time = 0;
    const each = meter();
    const store = createLocalStore({ now: () => time, maxKeys: 1_000 });
    for (let i = 0; i < 500; i++) store.take({ meter: each, key: `old ${i}`, amount: 1, most: 1 });
    time = 100;
    for (let i = 0; i < 250; i++) store.take({ meter: each, key: `new ${i}`, amount: 1, most: 1 });
    expect([...each.windows.keys()].filter((key) => key.startsWith("old"))).toEqual([]);
  });
});
