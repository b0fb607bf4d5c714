import { expect, test } from "vitest";
import { fakeTargets } from "plugboard/testing";
import { createColumns, createKnownSpeeds } from "../../../plugins/select/_speed-columns.ts";
import { createTypical } from "../../../plugins/select/_speed-median.ts";
import { fade, penaltyAt, type Speed, unmeasured } from "../../../plugins/select/_speed-samples.ts";

const decay = 1_000;

test("figures fall at rest and penalties fade as the functions for one target say", () => {
  const speed: Speed = { ...unmeasured(0), ttft: 800, perToken: 20, penalty: 8, faultAt: 100, restingSince: 200 };
  const fastest: Speed = { ...unmeasured(0), ttft: 1, perToken: 1 };
  let time = 0;
  const columns = createColumns(fakeTargets(2), [speed, fastest], {
    known: createKnownSpeeds(),
    typical: createTypical(),
    decay,
    now: () => time,
    passing: false,
  });
  for (time of [0, 100, 150, 300, 1_000, 2_500, 9_000]) {
    const { ttft, perToken } = columns.read();
    const rest = fade((time - speed.restingSince) / decay);
    const penalty = penaltyAt(speed.penalty, time - speed.faultAt, decay);
    expect(ttft[0]).toBeCloseTo(Math.max(800 * rest, 1) * penalty, 9);
    expect(perToken[0]).toBeCloseTo(Math.max(20 * rest, 1) * penalty, 9);
  }
});
