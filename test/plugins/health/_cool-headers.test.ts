import { expect, test } from "vitest";
import { askedPause } from "../../../plugins/health/_cool-headers.ts";

const now = Date.UTC(2025, 0, 1, 12, 0, 0);

test.each<[Record<string, string>, number | undefined]>([
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "1.5" }, 1_500],
  [{ "retry-after": "Wed, 01 Jan 2025 12:00:20 GMT" }, 20_000],
  [{ "retry-after": "Wednesday, 01-Jan-25 12:00:20 GMT" }, 20_000],
  [{ "retry-after": "Wed, 01 Jan 2025 11:00:00 GMT" }, 0],
  [{ "retry-after": "soon" }, undefined],
  [{ "retry-after": "-5" }, undefined],
  [{ "retry-after": "1e9" }, undefined],
  [{ "retry-after-ms": "250", "retry-after": "9" }, 250],
  [{ "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0" }, 360_000],
  [{ "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "10" }, undefined],
  [{ "x-ratelimit-reset-tokens": "6m0s" }, undefined],
  [
    {
      "x-ratelimit-reset-requests": "120ms",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-tokens": "1h1m1.5s",
      "x-ratelimit-remaining-tokens": "0",
    },
    3_661_500,
  ],
  [{ "x-ratelimit-reset": "12", "x-ratelimit-remaining": "0" }, 12_000],
  [{ "x-ratelimit-reset": String(now / 1_000 + 40), "x-ratelimit-remaining": "0" }, 40_000],
  [{ "ratelimit-reset": "3", "ratelimit-remaining": "0" }, 3_000],
  [
    {
      "anthropic-ratelimit-output-tokens-reset": "2025-01-01T12:00:05Z",
      "anthropic-ratelimit-output-tokens-remaining": "0",
    },
    5_000,
  ],
  [{ "retry-after": "2", "x-ratelimit-reset": "12", "x-ratelimit-remaining": "0" }, 2_000],
  [{}, undefined],
])("of %j the pause is %s ms", (headers, pause) => {
  expect(askedPause(headers, now)).toBe(pause);
});
