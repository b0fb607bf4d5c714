import { type Exchange, type Plugin, ProxyError, type Setup } from "plugboard";
import { describe, expect, test } from "vitest";
import { quickPlugin } from "../quick-plugin.ts";
import { answer, begin, finish, played, type Played, refuse } from "./played.ts";

interface Hand {
  readonly plugin: Plugin;
  hedge(): boolean;
  readonly seen: string[];
}

/** What lets a test hedge from outside; notes what the hooks of each attempt see. */
function hand(): Hand {
  let proxy: Setup | undefined;
  let newest: Exchange | undefined;
  const seen: string[] = [];
  return {
    seen,
    hedge: () => (proxy as Setup).hedge(newest as Exchange),
    plugin: quickPlugin("hand", (setup) => {
      proxy = setup;
      return {
        request: (x) => void (newest = x),
        upstreamRequest(x) {
          seen.push(`request ${x.target?.id}`);
          x.upstream.headers["x-for"] = x.target?.id;
        },
        upstreamResponse: (x, head) => void seen.push(`response ${x.target?.id} ${head.status}`),
      };
    }),
  };
}

interface Hedged {
  readonly stage: Played;
  readonly hand: Hand;
  readonly response: Promise<Response>;
}

/** A request that two targets are asked for. */
async function hedged(targets: readonly string[] = ["a", "b"], init?: RequestInit): Promise<Hedged> {
  const by = hand();
  const stage = await played([by.plugin], { targets });
  const response = stage.get(init);
  await stage.call(0);
  expect(by.hedge()).toBe(true);
  await stage.call(1);
  return { stage, hand: by, response };
}

const kinds = ({ log }: Played): string[] =>
  log.told.filter(({ hook }) => hook === "attemptEnd").map(({ target, outcome }) => `${target?.id} ${outcome.kind}`);

describe("a hedged request", () => {
  test("goes to another target beside the first, each with a request of its own", async () => {
    const { stage, hand: by, response } = await hedged();
    expect(stage.calls.map(({ x }) => x.upstream.headers["x-for"])).toEqual(["a", "b"]);
    expect(stage.inflight()).toEqual([1, 1]);
    answer(await stage.call(0));
    await (await response).text();
    expect(by.seen).toEqual(["request a", "request b", "response a 200"]);
  });

  test.each([
    ["the first", 0],
    ["the second", 1],
  ])("is answered by whichever answers first: %s; the other is ended, through no fault of its own", async (_, nth) => {
    const { stage, response } = await hedged();
    const winner = await stage.call(nth);
    const loser = await stage.call(1 - nth);
    begin(winner);
    expect(loser.aborted).toBeDefined();
    finish(winner);
    expect(await (await response).text()).toBe(winner.target.id);
    await stage.log.ended(1);
    expect(kinds(stage)).toEqual([`${loser.target.id} local`, `${winner.target.id} ok`]);
    expect([stage.inflight(), stage.log.ends.map(({ kind, status }) => [kind, status])]).toEqual([
      [0, 0],
      [["ok", 200]],
    ]);
  });

  test.each([
    ["the first", 0],
    ["the second", 1],
  ])("goes on with the other when one fails: %s", async (_, nth) => {
    const { stage, response } = await hedged();
    refuse(await stage.call(nth));
    answer(await stage.call(1 - nth));
    expect(await (await response).text()).toBe(nth === 0 ? "b" : "a");
    expect(stage.calls).toHaveLength(2);
  });

  test("that both fail for is tried with a third, and with no target twice", async () => {
    const { stage, response } = await hedged(["a", "b", "c"]);
    refuse(await stage.call(1));
    refuse(await stage.call(0));
    answer(await stage.call(2));
    expect(await (await response).text()).toBe("c");
  });

  test("that both fail for, and no third is there, is told the last error", async () => {
    const { stage, response } = await hedged();
    refuse(await stage.call(0));
    refuse(await stage.call(1));
    expect((await response).headers.get("x-proxy-error")).toBe("connect_failed");
    expect(stage.inflight()).toEqual([0, 0]);
  });

  test("is not content with an answer of 500 as long as the other may do better", async () => {
    const { stage, response } = await hedged();
    const { sink } = await stage.call(1);
    sink.connected();
    sink.head(500, {});
    answer(await stage.call(0));
    expect(await (await response).text()).toBe("a");
    await stage.log.ended(1);
    expect(kinds(stage)).toEqual(["b status", "a ok"]);
  });

  test("whose client leaves is ended at both", async () => {
    const left = new AbortController();
    const { stage, response } = await hedged(["a", "b"], { signal: left.signal });
    response.catch(() => {});
    left.abort();
    await stage.log.ended(1);
    expect(stage.calls.map(({ aborted }) => aborted !== undefined)).toEqual([true, true]);
    expect([kinds(stage), stage.inflight()]).toEqual([
      ["b client-abort", "a client-abort"],
      [0, 0],
    ]);
  });

  test("is ended at both when its time is over", async () => {
    const by = hand();
    const stage = await played([by.plugin], { timeouts: { total: 20 } });
    const response = stage.get();
    await stage.call(0);
    by.hedge();
    await stage.call(1);
    expect((await response).headers.get("x-proxy-error")).toBe("total_timeout");
    await stage.log.ended(1);
    expect(stage.inflight()).toEqual([0, 0]);
  });

  test("whose second target does not answer in time goes on with the first", async () => {
    const by = hand();
    const stage = await played([by.plugin], { timeouts: { headers: 20 } });
    const response = stage.get();
    const first = await stage.call(0);
    by.hedge();
    const second = await stage.call(1);
    begin(first);
    second.sink.connected();
    finish(first);
    expect(await (await response).text()).toBe("a");
  });

  test("ends both when a plugin abandons the attempt, and starts anew", async () => {
    let proxy: Setup | undefined;
    const by = hand();
    const abandoning = quickPlugin("abandoning", (setup) => void (proxy = setup));
    const stage = await played([by.plugin, abandoning], { targets: ["a", "b"] });
    const response = stage.get();
    await stage.call(0);
    by.hedge();
    const second = await stage.call(1);
    proxy?.abandon(stage.calls[0]!.x, new ProxyError("prefill_failed", "no"));
    answer(await stage.call(2));
    expect(await (await response).text()).toBe("a");
    expect(second.aborted).toBeDefined();
    expect(stage.inflight()).toEqual([0, 0]);
  });
});

describe("a request is not hedged", () => {
  test("when there is no other target", async () => {
    const by = hand();
    const stage = await played([by.plugin], { targets: ["a"] });
    const response = stage.get();
    const call = await stage.call(0);
    expect(by.hedge()).toBe(false);
    answer(call);
    await (await response).text();
  });

  test("twice at once", async () => {
    const { stage, hand: by, response } = await hedged(["a", "b", "c"]);
    expect(by.hedge()).toBe(false);
    answer(await stage.call(0));
    await (await response).text();
  });

  test("once its answer has begun", async () => {
    const by = hand();
    const stage = await played([by.plugin]);
    const response = stage.get();
    const call = await stage.call(0);
    begin(call);
    expect(by.hedge()).toBe(false);
    finish(call);
    await (await response).text();
    expect(by.hedge()).toBe(false);
  });

  test("when its body is streamed: it can be sent once only", async () => {
    const by = hand();
    const stage = await played([by.plugin]);
    const response = stage.get({ method: "POST", body: "x" });
    const call = await stage.call(0);
    expect(by.hedge()).toBe(false);
    answer(call);
    await (await response).text();
  });

  test("when a hook that chooses targets refuses: the first attempt is as good as it was", async () => {
    const by = hand();
    let refuses = false;
    const refusing = quickPlugin("refusing", () => ({
      candidates(_x, targets) {
        if (refuses) throw new ProxyError("cooling_down", "not now");
        return targets;
      },
    }));
    const stage = await played([by.plugin, refusing]);
    const response = stage.get();
    const call = await stage.call(0);
    refuses = true;
    expect(by.hedge()).toBe(false);
    answer(call);
    expect(await (await response).text()).toBe("a");
  });

  test("when all attempts of its route are used", async () => {
    const by = hand();
    const stage = await played([by.plugin], { retry: { attempts: 1 } });
    const response = stage.get();
    const call = await stage.call(0);
    expect(by.hedge()).toBe(false);
    answer(call);
    await (await response).text();
  });

  test("beyond the retry budget", async () => {
    const by = hand();
    const stage = await played([by.plugin]);
    const responses: Promise<Response>[] = [];
    const said: boolean[] = [];
    for (let i = 0; i < 5; i++) {
      const next = stage.calls.length;
      responses.push(stage.get());
      await stage.call(next);
      said.push(by.hedge());
    }
    expect(said).toEqual([true, true, true, false, false]);
    for (const call of stage.calls) if (call.aborted === undefined) answer(call);
    await Promise.all(responses.map(async (each) => (await each).text()));
    expect(stage.inflight()).toEqual([0, 0]);
  });
});
