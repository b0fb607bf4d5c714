import assert from "node:assert/strict";
import type { Exchange } from "../contract/exchange.ts";
import type { Selector, SelectorService } from "../contract/services.ts";
import type { Setup } from "../contract/setup.ts";
import type { Pool } from "../contract/target.ts";
import type { Generation } from "../generation/generation.ts";
import { definePlugin, type Plugin } from "../plugin.ts";
import { fakePool } from "./fakes.ts";
import { loadPlugins, type Test } from "./plugin.ts";
import { counting } from "./selector-attempts.ts";
import { changing, picking } from "./selector-basics.ts";
import { laws, type SelectorLaw } from "./selector-laws.ts";
import { hostile } from "./selector-odd-requests.ts";
import { odd } from "./selector-odd-targets.ts";
import { createPlay, type Fresh, isDeclined, type Sample } from "./selector-play.ts";
import { sharing } from "./selector-scores.ts";

export interface SelectorSuite {
  readonly test: Test;
  /** A new plugin for each case. What it draws by `tools.random` is seeded here; other chance has to be seeded there. */
  readonly create: () => Plugin;
  /**
   * What it promises beyond picking from its list, one law or several. A law only ever adds cases:
   *
   * - `proportional` by weight, over time: within five standard deviations of independent picks
   * - `ordered` the first with a weight
   * - `least` of `(inflight + 1) / weight`, those alike in turns
   * - `best` one of those that its `score`, or else its `explain`, says is best
   * - `consistent` one key, one target, by nothing but the key and who is there; needs `exchange`
   * - `sticky` one key, one target, for as long as that is there; new keys are spread; needs `exchange`
   * - `measured` what attempts showed to be fast, the newest most; needs `sample`
   * - `frugal` at most 16 bytes are allocated per pick among 100 targets: no object, no string, no number for each
   *
   * @default none
   */
  readonly law?: SelectorLaw | readonly SelectorLaw[];
  /**
   * A request that carries this key, as the selector looks for it; another key is another request altogether. For the
   * laws consistent and sticky.
   */
  readonly exchange?: (key: string) => Partial<Exchange>;
  /** A request without a key; given, requests without one have to be spread. For the laws consistent and sticky. */
  readonly keyless?: () => Partial<Exchange>;
  /**
   * How an attempt at a target ends that does well or badly in what the selector measures: "fast" is at least five
   * times as good as "slow". A test of latency gives `{ outcome: { ttfb: 20, duration: 40 } }`, one of throughput the
   * duration and `slots: { usage: { completionTokens: 500 } }`. For the law measured.
   */
  readonly sample?: (speed: "fast" | "slow") => Sample;
  /** Moves the clock that `create` gave to the selector; without it no time passes. For the law measured. */
  readonly wait?: (milliseconds: number) => void;
  /**
   * It may pick nothing where none will do: a case ends there. New and idle targets it has to pick all the same.
   * @default false
   */
  readonly mayDecline?: boolean;
}

/**
 * Tests the laws that hold for every selector, and those it claims for itself.
 *
 * @example
 * testSelector({ test, create: () => random(), law: "proportional" });
 *
 * @example
 * let time = 0;
 * testSelector({
 *   test,
 *   create: () => latency({ now: () => time }),
 *   law: ["measured", "frugal"],
 *   sample: (speed) => ({ outcome: { ttfb: speed === "fast" ? 20 : 400, duration: 500 } }),
 *   wait: (milliseconds) => void (time += milliseconds),
 * });
 */
export function testSelector(suite: SelectorSuite): void {
  const { create, law = [], mayDecline = false } = suite;
  const test = mayDecline ? lenient(suite.test) : suite.test;
  const fresh: Fresh = async (targets = [], state) => {
    const plugin = create();
    let slot: Setup["slot"] | undefined;
    const witness = definePlugin({ name: "contract-suite", setup: (proxy) => void (slot = proxy.slot) });
    const pool = fakePool(targets);
    const selector = serviceOf(plugin, await loadPlugins([plugin, witness()], state)).create(pool, "route");
    if (targets.length > 0) selector.update?.(pool.snapshot);
    return createPlay(selector, pool, (x, values) => {
      for (const [name, value] of Object.entries(values)) slot?.(name).set(x, value);
    });
  };

  const claimed = new Set([law].flat());
  // First of all: Node 20 may take seconds to compile anew what was compiled for another instance.
  if (claimed.delete("frugal")) laws.frugal(test, fresh, suite);
  picking(test, fresh, suite.test);
  changing(test, fresh);
  counting(test, fresh);
  sharing(test, fresh);
  odd(test, fresh);
  hostile(test, fresh);
  for (const name of claimed) laws[name](test, fresh, suite);
}

/** Makes the selector that a plugin provides, for one pool; `others` are plugins whose services it uses. */
export async function selectorOf(plugin: Plugin, pool: Pool, others: readonly Plugin[] = []): Promise<Selector> {
  return serviceOf(plugin, await loadPlugins([plugin, ...others])).create(pool, "route");
}

function serviceOf(plugin: Plugin, { registry }: Generation): SelectorService {
  const [service] = registry.root.services.all("selector").values();
  assert.ok(service, `plugin "${plugin.name}" provides no selector`);
  return service;
}

/** A case that has nothing picked is over: there is nothing to go on with. */
function lenient(test: Test): Test {
  return (name, run) =>
    test(name, async () => {
      try {
        await run();
      } catch (error) {
        if (!isDeclined(error)) throw error;
      }
    });
}
