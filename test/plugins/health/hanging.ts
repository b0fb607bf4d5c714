import type { RequestListener } from "node:http";
import { expect } from "vitest";
import type { TargetSpec } from "plugboard";
import { type HangCheckOptions, hangCheck } from "plugboard/plugins/health/hang-check";
import { eventually } from "../../e2e/eventually.ts";
import { start, type Started, upstream } from "./started.ts";

export interface Shown {
  readonly steps: number;
  readonly running?: number;
  readonly waiting?: number;
}

/** What a vLLM shows. */
export function metrics({ steps, running = 0, waiting = 0 }: Shown): string {
  return [
    "# TYPE vllm:iteration_tokens_total histogram",
    `vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="m"} ${steps * 7}`,
    `vllm:iteration_tokens_total_count{engine="0",model_name="m"} ${steps}`,
    `vllm:iteration_tokens_total_created{engine="0",model_name="m"} 1.7e+09`,
    `vllm:num_requests_running{engine="0",model_name="m"} ${running}`,
    `vllm:num_requests_waiting{engine="0",model_name="m"} ${waiting}`,
    "",
  ].join("\n");
}

/** What the next reading gets: metrics, or whatever a listener makes of it. */
export type Answer = Shown | RequestListener;

export interface Engine extends Started {
  answer: Answer;
  /** Whether the target was up when each reading began: what all readings before it had said. */
  readonly ups: readonly boolean[];
  /** Settles when so many more readings were taken in. */
  readings(count: number): Promise<void>;
}

/** An engine of which every reading comes a second after the one before, as the plugin's clock tells it. */
export async function watched(
  first: Answer,
  options: HangCheckOptions = {},
  spec: Partial<TargetSpec> = {},
): Promise<Engine> {
  const ups: boolean[] = [];
  let time = 0;
  let engine: Started | undefined;
  const state = { answer: first };
  const { url } = await upstream((request, response) => {
    ups.push((engine?.pool().snapshot.available.length ?? 1) > 0);
    time += 1_000;
    const { answer } = state;
    if (typeof answer === "function") answer(request, response);
    else response.end(metrics(answer));
  });
  const plugin = hangCheck({ interval: 5, grace: 10_000, fall: 3, now: () => time, ...options });
  engine = await start([plugin], { default: [{ id: "a", url, ...spec }] });
  return {
    ...engine,
    ups,
    get answer() {
      return state.answer;
    },
    set answer(next) {
      state.answer = next;
    },
    async readings(count: number) {
      // One more has to begin: then the last one has been judged.
      const wanted = ups.length + count + 1;
      await eventually(() => expect(ups.length).toBeGreaterThanOrEqual(wanted));
    },
  };
}

export const busy: Answer = { steps: 5, running: 3, waiting: 1 };
export const isUp = ({ pool }: Started): boolean => pool().snapshot.available.length === 1;

/** An engine that is down, of which the next readings show the same. */
export async function hung(options?: HangCheckOptions): Promise<Engine> {
  const engine = await watched(busy, options);
  await eventually(() => expect(isUp(engine)).toBe(false));
  return engine;
}
