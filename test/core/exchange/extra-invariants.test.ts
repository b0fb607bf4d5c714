import fc from "fast-check";
import { createProxy, type Exchange, ProxyError, type Setup, type Target } from "plugboard";
import { expect, test } from "vitest";
import { keptLog } from "../kept-log.ts";
import { type MemCall, memUpstream } from "../mem-upstream.ts";
import { quickPlugin } from "../quick-plugin.ts";
import { outcomeLog } from "./outcome-log.ts";
import { told } from "./side-plugin.ts";

// Whatever becomes of attempts, of extra ones and of those that a plugin abandons: each is told once, and every count
// comes back to where it was.

const fates = {
  ok({ sink }: MemCall) {
    sink.connected();
    sink.head(200, {});
    sink.data(Buffer.from("ok"));
    sink.end();
  },
  busy({ sink }: MemCall) {
    sink.connected();
    sink.head(503, { "content-length": "0" });
    sink.end();
  },
  refused: ({ sink }: MemCall) => sink.error(Object.assign(new Error("no"), { code: "ECONNREFUSED" })),
  broken({ sink }: MemCall) {
    sink.connected();
    sink.head(200, {});
    sink.data(Buffer.from("half"));
    sink.error(new Error("gone"));
  },
  late: (call: MemCall) => void setImmediate(() => fates.ok(call)),
  slow({ sink }: MemCall) {
    sink.connected();
    sink.head(200, {});
    sink.data(Buffer.from("half"));
    setImmediate(() => sink.end());
  },
  unreachable: () => {},
  silent: ({ sink }: MemCall) => sink.connected(),
  throwing() {
    throw new Error("boom");
  },
} satisfies Record<string, (call: MemCall) => void>;

const fate = fc.constantFrom(...(Object.keys(fates) as (keyof typeof fates)[]));
const turns = fc.option(fc.nat(4), { nil: undefined });
const request = fc.record({
  main: fc.array(fate, { minLength: 3, maxLength: 3 }),
  extra: fate,
  /** The phase that asks for the extra attempt, and whether it waits for it. */
  phase: fc.constantFrom("request", "admit", "upstreamRequest"),
  waits: fc.boolean(),
  detached: fc.boolean(),
  limit: fc.constantFrom(0, 1, 100),
  /** Turns of the event loop after which the plugin abandons, ends the extra attempt, or the client leaves. */
  abandons: turns,
  aborts: turns,
  leaves: turns,
});
type Request = typeof request extends fc.Arbitrary<infer R> ? R : never;

const specs = ["a", "b", "side"].map((id) => ({ id, url: `mem://${id}` }));
const failed = new ProxyError("prefill_failed", "It failed.");

async function after(count: number | undefined, run: () => void): Promise<void> {
  if (count === undefined) return;
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  run();
}

function isSide(target: Target | undefined): boolean {
  return target?.id === "side";
}

test("whatever becomes of extra attempts is told once and counted right", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), fc.nat(2), async (requests, reloads) => {
      const answers: Promise<string>[] = [];
      const requestOf = (x: Exchange): Request => requests[Number(x.path.slice(1))] as Request;
      const extra = async (proxy: Setup, x: Exchange): Promise<void> => {
        const { waits, detached, limit, aborts, abandons } = requestOf(x);
        const side = proxy.pool().snapshot.all.find((target) => isSide(target)) as Target;
        const options = { limit, ...(detached && { detached: 30 }) };
        const { answer, abort } = proxy.attempt(x, side, options);
        answers.push(told(answer));
        void after(aborts, abort);
        void after(abandons, () => proxy.abandon(x, failed));
        if (waits) await told(answer);
      };
      const plugin = quickPlugin("extra", (proxy) => {
        const at = (phase: Request["phase"]) => (x: Exchange) =>
          requestOf(x).phase === phase && !isSide(x.target) ? extra(proxy, x) : undefined;
        return {
          request: at("request"),
          admit: at("admit"),
          candidates: (_x, all) => all.filter((target) => !isSide(target)),
          upstreamRequest: at("upstreamRequest"),
        };
      });
      const upstream = memUpstream((call) => {
        const { main, extra: own } = requestOf(call.x);
        fates[isSide(call.target) ? own : (main[call.x.attempt - 1] ?? "ok")](call);
      }, specs);
      const log = outcomeLog();
      const config = { plugins: [upstream, plugin, log.plugin], timeouts: { connect: 60, headers: 60 } };
      const proxy = await createProxy(config, { log: keptLog().log });
      const live = proxy.pools()[0]?.snapshot.all.map((target) => target.live) ?? [];
      const clients = requests.map(async ({ leaves }, i) => {
        const leaving = new AbortController();
        const answer = proxy.fetch(new Request(`http://proxy/${i}`, { signal: leaving.signal }));
        void after(leaves, () => leaving.abort());
        return answer.then((response) => response.text()).catch(() => "");
      });
      for (let i = 0; i < reloads; i++) await proxy.reload();
      await Promise.all(clients);
      await log.ended(requests.length);
      await proxy.close({ deadline: 0 });
      await Promise.all(answers);

      expect(proxy.status().active).toBe(0);
      expect(live.map(({ inflight }) => inflight)).toEqual([0, 0, 0]);
      expect(log.ends).toHaveLength(requests.length);
      expect(live.map((each) => each.requests).reduce((sum, each) => sum + each)).toBe(log.attempts.length);
      const side = log.told.filter(({ target }) => isSide(target));
      expect(live[2]?.requests).toBe(side.length);
      expect(live[2]?.failures).toBe(side.filter(({ outcome }) => outcome.error?.source === "upstream").length);
    }),
    { numRuns: 150 },
  );
});
