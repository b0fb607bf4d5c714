import type { Storage } from "unstorage";
import * as v from "valibot";
import {
  definePlugin,
  type Exchange,
  type Plugin,
  type Pool,
  ProxyError,
  type Setup,
  type Target,
  type UpstreamHead,
} from "../../core/index.ts";
import {
  addCoolDown,
  type CoolDown,
  createModelCoolDowns,
  endCoolDowns,
  firstBack,
  isCooling,
  keyOf,
  type ModelCoolDowns,
  nextEnd,
} from "./_cool-downs.ts";
import { askedPause } from "./_cool-headers.ts";
import { readCoolDowns, removeCoolDowns, writeCoolDown } from "./_cool-storage.ts";
import { createLists } from "./_outlier-lists.ts";

export interface CoolDownOptions {
  /** Statuses that ask for a pause: 429, or of 500 to 599; these only with a time in their headers. @default [429] */
  statuses?: readonly number[];
  /** Milliseconds after a 429 that names no time. @default 30000 */
  pause?: number;
  /** Milliseconds at most, whatever was asked for. @default 300000 */
  max?: number;
  /** The request itself goes to another target, by the rules of the route. @default false, its client gets the 429 */
  retry?: boolean;
  /** Where they outlive the process: made by `createStorage` of unstorage, yours to dispose of. @default nowhere */
  storage?: Storage;
  /** What the keys in it begin with. @default "cool-down" */
  base?: string;
  /** @default Date.now */
  now?: () => number;
}

type Settings = Omit<Required<CoolDownOptions>, "storage" | "statuses"> & {
  readonly statuses: ReadonlySet<number>;
  readonly storage?: Storage | undefined;
};

/** A date in the past comes of a clock that is wrong, and must not become a busy loop. */
const shortest = 1_000;

const whole = v.pipe(v.number(), v.integer("Expected a whole number"), v.minValue(1, "Expected 1 or more"));
const status = v.pipe(
  v.number(),
  v.check(
    (given) => given === 429 || (Number.isInteger(given) && given >= 500 && given <= 599),
    "Expected 429, or 500 to 599",
  ),
);

const schema: v.GenericSchema<CoolDownOptions, Settings> = v.strictObject({
  statuses: v.pipe(
    v.optional(v.pipe(v.array(status), v.minLength(1, "Expected one status or more")), [429]),
    v.transform((list) => new Set(list)),
  ),
  pause: v.optional(whole, 30_000),
  max: v.optional(whole, 300_000),
  retry: v.optional(v.boolean(), false),
  storage: v.optional(
    v.custom<Storage>(
      (value) => typeof value === "object" && value !== null && "getItem" in value && "setItem" in value,
      "Expected a storage of unstorage, such as createStorage({ driver })",
    ),
  ),
  base: v.optional(
    v.pipe(v.string(), v.regex(/^\w[\w-]*(?::\w[\w-]*)*$/, "Expected words such as cool-down:gpu")),
    "cool-down",
  ),
  now: v.optional(
    v.custom<() => number>((value) => typeof value === "function", "Expected a function that returns milliseconds"),
    () => () => Date.now(),
  ),
} satisfies Record<keyof CoolDownOptions, unknown>);

/**
 * Leaves a target alone for as long as its 429 asks.
 *
 * The time is that of Retry-After, in seconds or as a date, of `retry-after-ms`, or of the rate limit headers of a
 * limit that is used up, and at least a second. Meanwhile other targets are asked; when all are cooling down, clients
 * get a 503 `cooling_down` with the time of the first that is back. Where the route says which model a target is asked
 * for, as aliases do, only that model of the target cools down. A 429 is no sign of ill health: `outlierEjection` does
 * not count it.
 *
 * For paid APIs and whatever else limits rates. Not for targets whose 429 is meant for one client rather than for the
 * proxy, such as those that are asked with the clients' own keys: one client would take the target from all. With
 * `storage`, a restart does not begin by asking those that cool down. Operators end cool-downs by `admin`.
 *
 * @example
 * coolDown({ statuses: [429, 503], max: 120_000, retry: true });
 */
export const coolDown: (options?: CoolDownOptions) => Plugin = definePlugin({
  name: "cool-down",
  options: schema,
  setup(proxy, { statuses, pause, max, retry, storage, base, now }) {
    const reporter = proxy.reporter("cool-down");
    const models = proxy.keep("models", createModelCoolDowns);
    const lists = createLists({
      keeps: (target, time) => !isCooling(models, target, time),
      changesAt: (time) => nextEnd(models, time),
      version: () => models.version,
    });

    function begin(given: CoolDown, time: number): void {
      if (given.model === undefined) reporter.down(given.id, given.reason, given.until - time);
      else addCoolDown(models, given, time);
    }

    const recalled = proxy.keep("recalled", () => ({ done: false }));
    if (storage !== undefined && proxy.mode === "serve")
      proxy.onReady(async () => {
        if (recalled.done) return;
        recalled.done = true;
        const time = now();
        const stored = await recall(storage, proxy, base, time);
        for (const one of stored) begin({ ...one, until: Math.min(one.until, time + max) }, time);
      });

    proxy.provide("grudge", "cool-down", {
      forget(target) {
        const ids = coolingIn(proxy.pools(), target);
        for (const id of ids) reporter.up(id);
        if (storage !== undefined) unsave(storage, proxy, base, target);
        return new Set([...ids, ...endCoolDowns(models, target, now())]).size;
      },
    });

    return {
      candidates(x, targets) {
        if (models.until.size === 0) return targets;
        const time = now();
        const left = lists.narrow(targets, time);
        if (left.length === 0 && targets.length > 0) tellAll(x, firstBack(models, targets) - time);
        return left;
      },
      upstreamResponse(x, head) {
        if (!statuses.has(head.status) || x.target === undefined || x.notes !== undefined) return undefined;
        const time = now();
        const asked = askedPause(head.headers, time) ?? (head.status === 429 ? pause : undefined);
        if (asked === undefined) return undefined;
        const answer = retry ? "retry" : undefined;
        const given = toCoolDown(x.target, head, time + Math.min(Math.max(asked, shortest), max));
        // Requests that were under way together are refused together, and the longest pause holds.
        if (given.until <= endOf(x, models, given, time) + shortest) return answer;
        begin(given, time);
        if (storage !== undefined) save(storage, proxy, base, given);
        proxy.log.warn(
          `target ${show(given)} cools down for ${Math.ceil((given.until - time) / 1_000)} s: ${given.reason}`,
        );
        return answer;
      },
    };
  },
});

async function recall(storage: Storage, { log }: Setup, base: string, time: number): Promise<CoolDown[]> {
  try {
    return await readCoolDowns(storage, base, time);
  } catch (error) {
    log.warn("what cooled down before the start is not known:", error);
    return [];
  }
}

/** Not waited for: no answer has to wait for a storage. */
function save(storage: Storage, { log }: Setup, base: string, given: CoolDown): void {
  writeCoolDown(storage, base, given).catch((error: unknown) => {
    log.warn(`the cool-down of ${given.id} is not stored:`, error);
  });
}

function unsave(storage: Storage, { log }: Setup, base: string, target: string | undefined): void {
  removeCoolDowns(storage, base, target).catch((error: unknown) => {
    log.warn("cool-downs that were cleared are still stored, and hold again after a restart:", error);
  });
}

/** The ids of targets that cool down as a whole; one of them, or all. */
function coolingIn(pools: readonly Pool[], target: string | undefined): string[] {
  return pools.flatMap((pool) =>
    pool.snapshot.all.flatMap(({ id }) => {
      if (target !== undefined && id !== target) return [];
      return pool.verdicts(id).some(({ reporter }) => reporter === "cool-down") ? [id] : [];
    }),
  );
}

/** When what is known already of the same target, or the same model of it, is over. */
function endOf(x: Exchange, models: ModelCoolDowns, { id, model }: CoolDown, time: number): number {
  if (model !== undefined) return models.until.get(keyOf(id, model))?.until ?? 0;
  const verdict = x.route?.pool.verdicts(id).find(({ reporter }) => reporter === "cool-down");
  return verdict === undefined ? 0 : time + verdict.until - Date.now();
}

function toCoolDown({ id, model }: Target, { status: answered }: UpstreamHead, until: number): CoolDown {
  return { id, model, until, reason: `status ${answered}` };
}

function show({ id, model }: CoolDown): string {
  return model === undefined ? id : `${id}, model ${model},`;
}

/** Before the first attempt only: after one, what that target answered tells more. */
function tellAll(x: Exchange, left: number): void {
  if (x.attempt > 0 || x.notes !== undefined) return;
  const seconds = Math.max(1, Math.ceil(left / 1_000));
  const forModel = x.model === undefined ? "" : ` for model '${x.model}'`;
  const text = `All services${forModel} are cooling down; the first is back in ${seconds} s.`;
  throw new ProxyError("cooling_down", text, { phase: "select", retryAfter: seconds });
}
