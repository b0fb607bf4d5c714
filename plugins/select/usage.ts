import * as v from "valibot";
import { defineSelector, type Plugin, type Selector } from "../../core/index.ts";
import { clockSource } from "./_chance-and-time.ts";
import { createBest, type Rate } from "./_best.ts";
import { toDuration } from "./_duration.ts";
import { ofList, weightsOf } from "./_of-list.ts";
import { createRows, createTable, type Table } from "./_table.ts";
import { follow, toTokens, type Usage } from "./_told-tokens.ts";
import { addTo, advance, buckets, sumAt, windowWidth } from "./_window.ts";

export interface UsageOptions {
  /** What is counted: attempts, or the tokens that answers told. @default "requests" */
  count?: "requests" | "tokens";
  /** Milliseconds that are looked back. @default 86400000, a day */
  window?: number;
  /** Milliseconds of a clock. @default performance.now */
  now?: () => number;
}

const entries = {
  count: v.optional(v.picklist(["requests", "tokens"], 'Expected "requests" or "tokens"'), "requests"),
  window: v.optional(
    v.pipe(
      v.number("Expected milliseconds, 24 or more"),
      v.finite("Expected milliseconds, 24 or more"),
      v.minValue(buckets, "Expected milliseconds, 24 or more"),
    ),
    86_400_000,
  ),
  now: v.optional(clockSource, () => () => performance.now()),
} satisfies Record<keyof UsageOptions, unknown>;

const schema: v.GenericSchema<UsageOptions, Required<UsageOptions>> = v.strictObject(entries);

/** What outlives a reload of the config. */
interface Counted {
  readonly table: Table;
  /** Tokens of an answer, as a rule: what each attempt under way counts for. */
  usual: number;
}

/** A row has the attempts under way, and beside them, where one look reaches both, a window. */
const width = 1 + windowWidth;
const windowAt = 1;
const countAt = windowAt + sumAt;

/**
 * Picks the target with the fewest requests or tokens for its weight in a day.
 *
 * For accounts that are billed or limited by the day and should be used up alike. The score is `weight / (count + 1)`, a
 * count for each target and model over a rolling window of 24 buckets; those alike take turns. After the `usage` selector
 * of Plexus, which counts requests of 24 hours. Requests count when they are sent, retries too; tokens when an answer has
 * told them, until then as the usual number for each request under way. Not where targets come and go: a new one gets
 * everything until it has caught up with the others, which `leastConnections` and `roundRobin` do not do. Counts survive a
 * reload of the config, not a restart, and are those of this process.
 *
 * @example
 * defineProxy({ plugins: [staticTargets({ targets: ["http://127.0.0.1:8001", "http://127.0.0.1:8002"] }), usage({ count: "tokens" })] });
 */
export const usage: (options?: UsageOptions) => Plugin = defineSelector({
  name: "usage",
  options: schema,
  create(pool, { count, window, now }, tools): Selector {
    const counted = tools.keep<Counted>(`${pool.name} ${count} ${window}`, () => ({ table: createTable(), usual: 0 }));
    const { table } = counted;
    const rows = createRows(table, width);
    const weights = ofList(weightsOf);
    const told = tools.slot<Usage>("usage");
    const bucket = (): number => Math.floor((now() * buckets) / window);

    const rate: Rate = (targets, _x, into) => {
      const list = rows.align(targets);
      const each = weights(targets);
      const { numbers } = table;
      const { usual } = counted;
      const at = bucket();
      for (let i = 0; i < list.length; i++) {
        const row = list[i]!;
        if (at > numbers[row + windowAt]!) advance(numbers, row + windowAt, at);
        into[i] = each[i]! / (numbers[row + countAt]! + usual * numbers[row]! + 1);
      }
    };

    return {
      pick: createBest(rate),
      score: rate,
      update: ({ all }) => rows.forgetOthers(all),
      attemptStart(target) {
        const row = rows.of(target);
        if (count === "requests") addTo(table.numbers, row + windowAt, bucket(), 1);
        else table.numbers[row]! += 1;
      },
      attemptEnd(target, _outcome, x) {
        if (count === "requests") return;
        const row = rows.of(target);
        table.numbers[row] = Math.max(0, table.numbers[row]! - 1);
        const tokens = toTokens(told.get(x)?.totalTokens);
        if (tokens === 0) return;
        addTo(table.numbers, row + windowAt, bucket(), tokens);
        counted.usual = follow(counted.usual, tokens);
      },
      explain(targets, x) {
        const scores = new Float64Array(targets.length);
        rate(targets, x, scores);
        const each = weights(targets);
        return targets.map(({ id, weight }, i) => {
          const note = `${Math.round(each[i]! / scores[i]! - 1)} ${count} in ${toDuration(window)}, weight ${weight}`;
          return { id, score: scores[i]!, note };
        });
      },
    };
  },
});
