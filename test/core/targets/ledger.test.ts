import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Ledger } from "../../../core/targets/ledger.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function ledgerOf(...ids: string[]): Ledger {
  const ledger = new Ledger();
  for (const id of ids) ledger.hold(id);
  return ledger;
}

/** `probe: broken`, as they stand. */
function verdicts(ledger: Ledger, id: string): string[] {
  return ledger.verdicts(id).map(({ reporter, reason }) => `${reporter}: ${reason}`);
}

describe("an entry", () => {
  test("is one for all that hold the target", () => {
    const ledger = new Ledger();
    const entry = ledger.hold("a");
    expect(ledger.hold("a")).toBe(entry);
    expect(ledger.hold("b")).not.toBe(entry);
  });

  test("starts from nothing", () => {
    expect(new Ledger().hold("a")).toMatchObject({ inflight: 0, requests: 0, failures: 0, ttfb: 0, lastFailure: 0 });
  });

  test("stays while somebody holds it", () => {
    const ledger = new Ledger();
    const entry = ledger.hold("a");
    ledger.hold("a");
    entry.requests = 7;
    ledger.release(entry);
    expect(ledger.hold("a")).toBe(entry);
  });

  test("that nobody holds is forgotten: who comes again starts anew", () => {
    const ledger = new Ledger();
    const entry = ledger.hold("a");
    entry.requests = 7;
    ledger.release(entry);
    expect(ledger.hold("a")).not.toBe(entry);
  });

  test("is not forgotten while attempts are under way on it", () => {
    const ledger = new Ledger();
    const entry = ledger.hold("a");
    entry.inflight = 1;
    ledger.release(entry);
    expect(ledger.hold("a")).toBe(entry);
  });

  test("whose last attempt ended after it was let go is forgotten then, with its verdicts and timers", () => {
    const ledger = new Ledger();
    const entry = ledger.hold("a");
    entry.inflight = 1;
    ledger.down("a", "probe", "broken", 1_000);
    ledger.release(entry);
    entry.inflight = 0;
    ledger.forget(entry);
    expect(ledger.verdicts("a")).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    expect(ledger.hold("a")).not.toBe(entry);
  });

  test("of old is not forgotten twice: the new one of its id stays", () => {
    const ledger = new Ledger();
    const old = ledger.hold("a");
    ledger.release(old);
    const entry = ledger.hold("a");
    ledger.forget(old);
    expect(ledger.hold("a")).toBe(entry);
  });
});

describe("verdicts", () => {
  test("are one per reporter: nobody can take back another's, or overwrite it", () => {
    const ledger = ledgerOf("a");
    ledger.down("a", "probe", "no answer");
    ledger.down("a", "outlier", "5 errors");
    ledger.down("a", "probe", "500");
    expect(verdicts(ledger, "a").toSorted()).toEqual(["outlier: 5 errors", "probe: 500"]);
    ledger.up("a", "probe");
    ledger.up("a", "never said a word");
    expect(verdicts(ledger, "a")).toEqual(["outlier: 5 errors"]);
    ledger.up("a", "outlier");
    expect(verdicts(ledger, "a")).toEqual([]);
  });

  test("on an unknown target are not kept for later", () => {
    const ledger = ledgerOf();
    ledger.down("a", "probe", "broken");
    ledger.hold("a");
    expect(ledger.verdicts("a")).toEqual([]);
  });

  test("are told of when they change, and only then", () => {
    const ledger = ledgerOf("a");
    const listener = vi.fn<() => void>();
    const forget = ledger.onVerdict(listener);
    ledger.up("a", "probe");
    expect(listener).toHaveBeenCalledTimes(0);
    ledger.down("a", "probe", "broken");
    expect(listener).toHaveBeenCalledTimes(1);
    ledger.up("a", "probe");
    expect(listener).toHaveBeenCalledTimes(2);
    forget();
    ledger.down("a", "probe", "broken");
    expect(listener).toHaveBeenCalledTimes(2);
  });

  test("of reporters that a new config does not have are dropped", () => {
    const ledger = ledgerOf("a", "b");
    ledger.down("a", "old", "broken");
    ledger.down("a", "kept", "broken");
    ledger.down("b", "old", "broken", 5_000);
    ledger.keepReporters(new Set(["kept"]));
    expect(verdicts(ledger, "a")).toEqual(["kept: broken"]);
    expect(verdicts(ledger, "b")).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a verdict for a time", () => {
  test("lapses by itself, and that is told", () => {
    const ledger = ledgerOf("a");
    const listener = vi.fn<() => void>();
    ledger.down("a", "outlier", "5 errors", 30_000);
    expect(ledger.verdicts("a")).toMatchObject([{ until: Date.now() + 30_000 }]);
    ledger.onVerdict(listener);
    vi.advanceTimersByTime(29_999);
    expect(verdicts(ledger, "a")).toEqual(["outlier: 5 errors"]);
    vi.advanceTimersByTime(1);
    expect(ledger.verdicts("a")).toEqual([]);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test("without one stays until the reporter says up", () => {
    const ledger = ledgerOf("a");
    ledger.down("a", "probe", "broken");
    expect(ledger.verdicts("a")).toMatchObject([{ until: Infinity }]);
    vi.advanceTimersByTime(10 ** 9);
    expect(verdicts(ledger, "a")).toEqual(["probe: broken"]);
  });

  test("is prolonged, or made lasting, by the next one: the old time counts no more", () => {
    const ledger = ledgerOf("a", "b");
    ledger.down("a", "outlier", "first", 1_000);
    ledger.down("b", "outlier", "first", 1_000);
    vi.advanceTimersByTime(900);
    ledger.down("a", "outlier", "second", 1_000);
    ledger.down("b", "outlier", "for ever");
    vi.advanceTimersByTime(900);
    expect(verdicts(ledger, "a")).toEqual(["outlier: second"]);
    vi.advanceTimersByTime(100);
    expect(verdicts(ledger, "a")).toEqual([]);
    expect(verdicts(ledger, "b")).toEqual(["outlier: for ever"]);
  });

  test("lapses alone: another's stays", () => {
    const ledger = ledgerOf("a");
    ledger.down("a", "outlier", "5 errors", 10);
    ledger.down("a", "probe", "broken");
    vi.advanceTimersByTime(10);
    expect(verdicts(ledger, "a")).toEqual(["probe: broken"]);
  });

  test("leaves no timer when it is taken back, or when the ledger is closed", async () => {
    const ledger = ledgerOf("a", "b");
    ledger.down("a", "outlier", "x", 1_000);
    ledger.down("b", "outlier", "x", 1_000);
    ledger.up("a", "outlier");
    expect(vi.getTimerCount()).toBe(1);
    await ledger.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([
    ["a month", 31 * 24 * 3_600_000],
    ["ever", Infinity],
  ])("may be for %s: longer than a timer can count does not mean at once", (_what, forMs) => {
    const ledger = ledgerOf("a");
    ledger.down("a", "quarantine", "by hand", forMs);
    vi.advanceTimersByTime(60_000);
    expect(verdicts(ledger, "a")).toEqual(["quarantine: by hand"]);
  });
});

test("whatever reporters say, a target has the last word of each of them", () => {
  const word = fc.record({ reporter: fc.constantFrom("p", "q", "r"), down: fc.boolean(), reason: fc.string() });
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const ledger = ledgerOf("a");
      const model = new Map<string, string>();
      for (const { reporter, down, reason } of words) {
        if (down) model.set(reporter, reason);
        else model.delete(reporter);
        if (down) ledger.down("a", reporter, reason);
        else ledger.up("a", reporter);
      }
      const said = Object.fromEntries(ledger.verdicts("a").map(({ reporter, reason }) => [reporter, reason]));
      expect(said).toEqual(Object.fromEntries(model));
    }),
  );
});

describe("a verdict", () => {
  test("is told since when it was said without a break, and not since it was last said", () => {
    const ledger = ledgerOf("a");
    const since = Date.now();
    ledger.down("a", "probe", "refused");
    vi.advanceTimersByTime(5_000);
    ledger.down("a", "probe", "timed out");
    expect(ledger.verdicts("a")).toEqual([{ reporter: "probe", reason: "timed out", since, until: Infinity }]);
    ledger.up("a", "probe");
    ledger.down("a", "probe", "refused");
    expect(ledger.verdicts("a")).toMatchObject([{ since: since + 5_000 }]);
  });
});

describe("what a target takes at once", () => {
  test("is the least that a reporter says, and anything once none says a word", () => {
    const ledger = ledgerOf();
    const entry = ledger.hold("a");
    const seen = [entry.most];
    const say = (reporter: string, most: number | undefined): void => {
      ledger.limit("a", reporter, most);
      seen.push(entry.most);
    };
    say("one", 8);
    say("two", 3);
    say("two", undefined);
    say("one", undefined);
    expect(seen).toEqual([Infinity, 8, 3, 8, Infinity]);
  });

  test("is told to those who keep an order by load: there may be room now", () => {
    const ledger = ledgerOf();
    const entry = ledger.hold("a");
    const told: unknown[] = [];
    ledger.onLoad((live) => told.push(live));
    ledger.limit("a", "one", 8);
    expect(told).toEqual([entry]);
  });

  test("is forgotten with the reporter that the new config does not have", () => {
    const ledger = ledgerOf();
    const entry = ledger.hold("a");
    ledger.limit("a", "old", 1);
    ledger.limit("a", "new", 5);
    ledger.keepReporters(new Set(["new"]));
    expect(entry.most).toBe(5);
  });

  test("is nothing for a target that is not known", () => {
    const ledger = ledgerOf();
    ledger.limit("gone", "one", 1);
    expect(ledger.hold("gone").most).toBe(Infinity);
  });
});
