import fc from "fast-check";
import { createProxy, type Plugin, type Selector, type Target } from "plugboard";
import { expect, test } from "vitest";
import { keptLog } from "../kept-log.ts";
import { type MemCall, memUpstream } from "../mem-upstream.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { outcomeLog } from "./outcome-log.ts";

// Whatever upstreams, plugins and clients do: each attempt ends once, each exchange ends once and last, and every count
// comes back to where it was.

const fates = {
  ok({ sink }: MemCall) {
    sink.connected();
    sink.head(200, { "content-length": "2" });
    sink.data(Buffer.from("ok"));
    sink.end();
  },
  chunked({ sink }: MemCall) {
    sink.connected();
    sink.head(200, {});
    for (const text of ["a", "b"]) sink.data(Buffer.from(text));
    sink.end({ "x-sum": "1" });
  },
  status({ sink }: MemCall) {
    sink.connected();
    sink.head(503, {});
    sink.end();
  },
  nothing({ sink }: MemCall) {
    sink.connected();
    sink.head(204, {});
  },
  refused: ({ sink }: MemCall) => sink.error(Object.assign(new Error("no"), { code: "ECONNREFUSED" })),
  reset({ sink }: MemCall) {
    sink.connected();
    sink.error(new Error("gone"));
  },
  broken({ sink }: MemCall) {
    sink.connected();
    sink.head(200, {});
    sink.data(Buffer.from("half"));
    sink.error(new Error("gone"));
  },
  late({ sink }: MemCall) {
    setImmediate(() => {
      sink.connected();
      sink.head(200, {});
      sink.end();
    });
  },
  silent: ({ sink }: MemCall) => sink.connected(),
  throwing() {
    throw new Error("boom");
  },
  talkative(call: MemCall) {
    fates.ok(call);
    fates.broken(call);
    fates.ok(call);
  },
} satisfies Record<string, (call: MemCall) => void>;

type Fate = keyof typeof fates;

/** Counts what a selector is told, as one that balances by it would. */
function counting(told: { started: number; ended: number }): Plugin {
  const selector: Selector = {
    pick: ([first]) => first,
    attemptStart: () => void (told.started += 1),
    attemptEnd: () => void (told.ended += 1),
  };
  return quickPlugin("counting", (proxy) => proxy.provide("selector", "counting", { create: () => selector }));
}

const request = fc.record({
  fates: fc.array(fc.constantFrom(...(Object.keys(fates) as Fate[])), { minLength: 3, maxLength: 3 }),
  method: fc.constantFrom("GET", "POST", "HEAD"),
  /** Turns of the event loop after which the caller gives up; none: when the time is over. */
  leaves: fc.option(fc.nat(5), { nil: undefined }),
});

const targets = ["a", "b", "c"].map((id) => ({ id, url: `mem://${id}` }));

test("whatever happens is told once and counted right", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), fc.nat(3), async (requests, reloads) => {
      const log = outcomeLog();
      const told = { started: 0, ended: 0 };
      const upstream = memUpstream((call) => {
        const fate = requests[Number(call.x.path.slice(1))]?.fates[call.x.attempt - 1] ?? "ok";
        fates[fate](call);
      }, targets);
      const config = { plugins: [upstream, counting(told), log.plugin], timeouts: { headers: 60 } };
      const proxy = await createProxy(config, { log: keptLog().log });
      const live = proxy.pools()[0]?.snapshot.all.map((target: Target) => target.live) ?? [];
      const answers = requests.map(async ({ method, leaves }, i) => {
        const leaving = new AbortController();
        const answer = proxy.fetch(new Request(`http://proxy/${i}`, { method, signal: leaving.signal }));
        const read = answer.then((response) => response.text()).catch(() => "");
        for (let turn = 0; turn < (leaves ?? 0); turn++) await new Promise((resolve) => setImmediate(resolve));
        if (leaves !== undefined) leaving.abort();
        return read;
      });
      for (let i = 0; i < reloads; i++) await proxy.reload();
      await Promise.all(answers);
      await log.ended(requests.length);
      await proxy.close({ deadline: 0 });

      expect(proxy.status().active).toBe(0);
      expect(log.ends).toHaveLength(requests.length);
      expect(told).toEqual({ started: log.attempts.length, ended: log.attempts.length });
      expect(live.map(({ inflight }) => inflight)).toEqual([0, 0, 0]);
      expect(live.reduce((sum, each) => sum + each.requests, 0)).toBe(log.attempts.length);
      for (const { x, hook } of log.told.filter(({ hook: each }) => each === "end")) {
        const own = log.told.filter((each) => each.x === x);
        expect(own.at(-1)?.hook).toBe(hook);
        expect(own.filter((each) => each.hook === "end")).toHaveLength(1);
        expect(own).toHaveLength(x.attempt + 1);
      }
    }),
    { numRuns: 120 },
  );
});
