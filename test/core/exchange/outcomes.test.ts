import type { Outcome } from "plugboard";
import { describe, expect, test } from "vitest";
import { get } from "../../wire/messages.ts";
import { openWire, type Wire } from "../../wire/open-wire.ts";
import { within } from "../../wire/waiting.ts";
import { type Case, cases, type Seen } from "./outcome-cases.ts";
import { type OutcomeLog, outcomeLog } from "./outcome-log.ts";

describe("an exchange ends once, behind its attempts, each of which ends once", () => {
  test.each(cases)("$what", async ({ attempts, end, ...given }) => {
    const log = outcomeLog();
    const wire = await lived(given, log);

    expect(log.told.map(({ hook }) => hook)).toEqual([...attempts.map(() => "attemptEnd"), "end"]);
    expect(log.attempts.map(toSeen)).toMatchObject(attempts);
    expect(log.ends.map(toSeen)).toMatchObject([end]);
    for (const outcome of [...log.attempts, ...log.ends]) expectTimes(outcome);
    const live = log.told[0]?.target?.live;
    if (live !== undefined) expect(live).toMatchObject({ inflight: 0, requests: attempts.length });
    expect(wire.proxy.status().active).toBe(0);
  });
});

/** Lives through a case, until its exchange has ended and its proxy is closed. */
async function lived(given: Omit<Case, "attempts" | "end">, log: OutcomeLog): Promise<Wire> {
  const { upstream, options = {}, request = get("/"), after } = given;
  const wired = typeof options === "function" ? await options() : options;
  const scripts = wired.targets === undefined ? [upstream] : [];
  const wire = await openWire(scripts, { ...wired, plugins: [...(wired.plugins ?? []), log.plugin] });
  const client = await wire.client();
  await client.send(request);
  if (after === undefined) await client.response().catch(() => {});
  else await after(client, wire);
  await within(log.ended(1), "the exchange ends");
  client.destroy();
  await wire.proxy.close({ deadline: 0 });
  return wire;
}

function toSeen({ error, ...outcome }: Outcome): Seen {
  return { ...outcome, error: error?.code };
}

function expectTimes({ ttfb, duration, status, kind }: Outcome): void {
  expect(duration).toBeGreaterThanOrEqual(ttfb);
  if (status === 0 || kind === "local") expect(ttfb).toBe(0);
}
