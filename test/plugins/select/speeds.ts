import {
  definePlugin,
  type Exchange,
  type Outcome,
  type Plugin,
  type Selector,
  type Slot,
  type Target,
} from "plugboard";
import { fakeExchange, fakeOutcome, fakePool, type FakePool, type FakeTarget, selectorOf } from "plugboard/testing";

/** What a relay puts into the slots of an answer. */
export interface Told {
  readonly firstToken?: number;
  readonly completionTokens?: number;
}

/** A selector with a clock of its own, and attempts that end as a test says. */
export interface Bench {
  readonly selector: Selector;
  readonly pool: FakePool;
  time: number;
  pick(targets: readonly Target[]): string;
  end(target: Target | undefined, outcome?: Partial<Outcome>, told?: Told): void;
  /** A request after the other, each of which takes as long as its target needs; how many each target got. */
  serve(targets: readonly FakeTarget[], count: number, ttft: (id: string) => number): Record<string, number>;
  scores(targets: readonly Target[], x?: Exchange): number[];
}

export async function createBench(create: (now: () => number) => Plugin, targets: readonly Target[]): Promise<Bench> {
  let usage: Slot<unknown> | undefined;
  let firstToken: Slot<number> | undefined;
  const relays = definePlugin({
    name: "relays",
    setup(proxy) {
      usage = proxy.slot("usage");
      firstToken = proxy.slot("first-token");
    },
  });
  const pool = fakePool(targets);
  const selector = await selectorOf(
    create(() => bench.time),
    pool,
    [relays()],
  );
  const bench: Bench = {
    selector,
    pool,
    time: 0,
    pick: (list) => selector.pick(list, fakeExchange())?.id ?? "none",
    end(target, outcome, told = {}) {
      const x = fakeExchange();
      if (told.firstToken !== undefined) firstToken?.set(x, told.firstToken);
      if (told.completionTokens !== undefined) usage?.set(x, { completionTokens: told.completionTokens });
      selector.attemptEnd?.(target as Target, fakeOutcome(outcome), x);
    },
    serve(list, count, ttft) {
      const served: Record<string, number> = Object.fromEntries(list.map(({ id }) => [id, 0]));
      for (let i = 0; i < count; i++) {
        const id = bench.pick(list);
        const target = list.find((each) => each.id === id) as FakeTarget;
        served[id] = (served[id] ?? 0) + 1;
        target.live.inflight += 1;
        pool.load(target);
        bench.time += ttft(id);
        target.live.inflight -= 1;
        pool.load(target);
        bench.end(target, { ttfb: ttft(id), duration: ttft(id) });
      }
      return served;
    },
    scores(list, x = fakeExchange()) {
      const into = new Float64Array(list.length);
      selector.score?.(list, x, into);
      return [...into];
    },
  };
  return bench;
}
