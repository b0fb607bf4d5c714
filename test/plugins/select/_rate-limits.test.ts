import { expect, test } from "vitest";
import type { HeaderRecord } from "plugboard";
import { readLimits } from "../../../plugins/select/_rate-limits.ts";
import { meter, roomWidth } from "../../../plugins/select/_room.ts";

const now = Date.parse("2026-03-01T12:00:00Z");

/** What a head tells of each meter: limit, what remains, milliseconds to the reset; and how long it asks to wait. */
function read(headers: HeaderRecord, status = 200): Record<string, readonly number[] | number> {
  const room = new Float64Array(roomWidth);
  readLimits({ status, headers }, now, room);
  const known = Object.entries(meter).filter(([, at]) => room[at] !== 0);
  const meters = known.map(
    ([name, at]) => [name, [room[at]!, Math.round(room[at]! * room[at + 1]!), room[at + 2]! - now]] as const,
  );
  return { ...Object.fromEntries(meters), ...(room[0] !== 0 && { wait: room[0]! - now }) };
}

const openai = (reset: string | undefined): HeaderRecord => ({
  "x-ratelimit-limit-requests": "60",
  "x-ratelimit-remaining-requests": "59",
  "x-ratelimit-reset-requests": reset,
});

test("reads requests and tokens as OpenAI tells them", () => {
  const headers = {
    ...openai("1s"),
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6m0s",
  };
  expect(read(headers)).toEqual({ requests: [60, 59, 1_000], tokens: [150_000, 149_984, 360_000] });
});

test.each([
  ["1s", 1_000],
  ["0s", 0],
  ["6m0s", 360_000],
  ["120ms", 120],
  ["7.66s", 7_660],
  ["2m59.56s", 179_560],
  ["1h30m", 5_400_000],
  ["24h0m0s", 86_400_000],
  ["1d2h", 93_600_000],
  ["12", 12_000],
  ["0.5", 500],
  [undefined, 60_000],
])("takes a reset of %s for %i milliseconds", (reset, ms) => {
  const { requests } = read(openai(reset)) as { requests: readonly number[] };
  expect(requests[2]).toBeCloseTo(ms, 3);
});

test.each([
  "",
  "s",
  "-1s",
  "1 s",
  "1s1m",
  "NaN",
  "Infinity",
  "1e3s",
  "1772366400",
  "999d",
  "1s,1s",
  `${"9".repeat(500)}s`,
])("ignores a meter whose reset is %s", (reset) => {
  expect(read(openai(reset))).toEqual({});
});

const names = [
  ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "10s"],
  [
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "2026-03-01T12:00:10Z",
  ],
  ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "10"],
] as const;

test.each(names)("ignores %s, %s and %s when one of them is missing or no count", (limit, remaining, reset, at) => {
  const whole = { [limit]: "100", [remaining]: "40", [reset]: at };
  expect(Object.values(read(whole))).toEqual([[100, 40, 10_000]]);
  for (const bad of [
    undefined,
    "",
    "NaN",
    "-1",
    "1.5",
    "1e3",
    " 5",
    "0x10",
    "9".repeat(16),
    "Infinity",
    ["5", "6"],
    ["5"],
  ]) {
    expect(read({ ...whole, [limit]: bad })).toEqual({});
    expect(read({ ...whole, [remaining]: bad })).toEqual({});
    if (bad !== undefined) expect(read({ ...whole, [reset]: Array.isArray(bad) ? bad : "no" })).toEqual({});
  }
  expect(read({ ...whole, [limit]: "0" })).toEqual({});
});

test("what remains is at most the limit", () => {
  expect(read({ ...openai("1s"), "x-ratelimit-remaining-requests": "999" })).toEqual({ requests: [60, 60, 1_000] });
});

test("reads the four kinds of Anthropic", () => {
  const kinds = ["requests", "tokens", "input-tokens", "output-tokens"];
  const headers = kinds.flatMap((kind, i) => [
    [`anthropic-ratelimit-${kind}-limit`, `${100 * (i + 1)}`],
    [`anthropic-ratelimit-${kind}-remaining`, `${10 * (i + 1)}`],
    [`anthropic-ratelimit-${kind}-reset`, `2026-03-01T12:00:0${i}Z`],
  ]);
  expect(read(Object.fromEntries(headers) as HeaderRecord)).toEqual({
    requests: [100, 10, 0],
    tokens: [200, 20, 1_000],
    inputTokens: [300, 30, 2_000],
    outputTokens: [400, 40, 3_000],
  });
});

const anthropic = (reset: string, date?: string): HeaderRecord => ({
  "anthropic-ratelimit-requests-limit": "50",
  "anthropic-ratelimit-requests-remaining": "49",
  "anthropic-ratelimit-requests-reset": reset,
  ...(date !== undefined && { date }),
});

test.each([
  ["2026-03-01T12:00:30Z", 30_000],
  ["2026-03-01T12:00:30.5Z", 30_500],
  ["2026-03-01T13:00:30+01:00", 30_000],
  ["2026-03-01T11:00:00Z", 0],
])("takes %s for a time in RFC 3339", (reset, ms) => {
  expect(read(anthropic(reset))).toEqual({ requests: [50, 49, ms] });
});

test.each([
  "2026-03-01",
  "2026-99-99T12:00:00Z",
  "2026-03-01T12:00:30",
  "Sun, 01 Mar 2026 12:00:30 GMT",
  "2036-03-01T12:00:00Z",
  "30",
])("ignores a meter that is reset at %s", (reset) => {
  expect(read(anthropic(reset))).toEqual({});
});

test("measures a time by the date of the answer, whatever our clock says", () => {
  const early = anthropic("2026-03-01T09:00:30Z", "Sun, 01 Mar 2026 09:00:00 GMT");
  expect(read(early)).toEqual({ requests: [50, 49, 30_000] });
  expect(read(anthropic("2026-03-01T12:00:30Z", "today"))).toEqual({ requests: [50, 49, 30_000] });
});

test.each([
  [{ "ratelimit-limit": "100", "ratelimit-remaining": "40", "ratelimit-reset": "30" }, [100, 40, 30_000]],
  [{ "ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "40", "ratelimit-reset": "30" }, [100, 40, 30_000]],
  [{ ratelimit: "limit=100, remaining=40, reset=30" }, [100, 40, 30_000]],
  [{ ratelimit: '"default";r=40;t=30', "ratelimit-policy": '"default";q=100;w=60' }, [100, 40, 30_000]],
  [{ ratelimit: '"default";r=40', "ratelimit-policy": '"default";q=100;w=60' }, [100, 40, 60_000]],
  [
    {
      ratelimit: '"minute";r=9;t=30, "day";r=40;t=3600, "none";r=0;t=1',
      "ratelimit-policy": '"minute";q=10;w=60, "day";q=1000;w=86400;qu="requests"',
    },
    [1_000, 40, 3_600_000],
  ],
] as const)("reads the drafts of the IETF: %o", (headers, expected) => {
  expect(read(headers)).toEqual({ rate: expected });
});

test.each([
  { ratelimit: '"default";r=40;t=30' },
  { ratelimit: '"a";r=40;t=30', "ratelimit-policy": '"b";q=100;w=60' },
  { ratelimit: '"a";r=-1;t=30', "ratelimit-policy": '"a";q=100;w=60' },
  { ratelimit: '"a";r=40;t=99999999', "ratelimit-policy": '"a";q=100;w=60' },
  { ratelimit: "limit=NaN, remaining=40, reset=30" },
  { ratelimit: ["limit=100, remaining=40, reset=30"] },
  { ratelimit: `limit=100, remaining=40, reset=30${",".repeat(10_000)}` },
  { ratelimit: '"__proto__";r=1;t=1', "ratelimit-policy": "constructor;q=1" },
])("ignores what is no draft's: %o", (headers) => {
  expect(read(headers as HeaderRecord)).toEqual({});
});

test.each([
  ["0", 0],
  ["20", 20_000],
  ["Sun, 01 Mar 2026 12:01:00 GMT", 60_000],
  ["Sun, 01 Mar 2026 11:00:00 GMT", 0],
])("a 429 with Retry-After %s asks to wait", (value, ms) => {
  expect(read({ "retry-after": value }, 429)).toEqual({ wait: ms });
});

test.each(["", "-5", "1.5", "soon", "9999999999", "2026-03-01T12:01:00Z", ["20"], undefined])(
  "a 429 with Retry-After %s asks for nothing",
  (value) => {
    expect(read({ "retry-after": value }, 429)).toEqual({});
  },
);

test("Retry-After counts with a 429 only, and a shorter one does not take back a longer one", () => {
  expect(read({ "retry-after": "20" }, 503)).toEqual({});
  const room = new Float64Array(roomWidth);
  readLimits({ status: 429, headers: { "retry-after": "20" } }, now, room);
  readLimits({ status: 429, headers: { "retry-after": "5" } }, now, room);
  expect(room[0]).toBe(now + 20_000);
});

test("a hostile head costs no more than a friendly one", { timeout: 2_000 }, () => {
  const long = (piece: string): string => piece.repeat(30_000 / piece.length);
  const headers: HeaderRecord = {
    "x-ratelimit-limit-requests": "5",
    "x-ratelimit-remaining-requests": "5",
    "x-ratelimit-reset-requests": long("1h1m1s"),
    "ratelimit-limit": long("1 , "),
    ratelimit: long('"a";r=1'),
    "ratelimit-policy": long('";'),
    "retry-after": long("Sun, "),
    date: long("9"),
  };
  for (let i = 0; i < 100; i++) expect(() => read(headers, 429)).not.toThrow();
});
