import assert from "node:assert/strict";
import type { Selector } from "../contract/services.ts";
import type { Pool } from "../contract/target.ts";
import type { Plugin } from "../plugin.ts";
import { fakePool } from "./fakes.ts";
import { servicesOf, type Test } from "./plugin.ts";
import { changing, counting, picking, sharing } from "./selector-basics.ts";
import { laws, type SelectorLaw } from "./selector-laws.ts";

export interface SelectorSuite {
  readonly test: Test;
  /** A new plugin for each case. Give it a seeded source of randomness, so that it picks the same each time. */
  readonly create: () => Plugin;
  /**
   * What it promises beyond picking from its list. A law only ever adds cases: `proportional` by weight, over time;
   * `ordered` the first with a weight; `least` of `(inflight + 1) / weight`, those alike in turns.
   * @default none
   */
  readonly law?: SelectorLaw;
}

/**
 * Tests the laws that hold for every selector, and those it claims for itself.
 *
 * @example
 * testSelector({ test, create: () => random({ random: seededRandom(1) }), law: "proportional" });
 */
export function testSelector({ test, create, law }: SelectorSuite): void {
  const fresh = (pool: Pool = fakePool()): Promise<Selector> => selectorOf(create(), pool);

  picking(test, fresh);
  changing(test, fresh);
  counting(test, fresh);
  sharing(test, fresh);
  if (law !== undefined) laws[law](test, fresh);
}

/** Makes the selector that a plugin provides, for one pool; `others` are plugins whose services it uses. */
export async function selectorOf(plugin: Plugin, pool: Pool, others: readonly Plugin[] = []): Promise<Selector> {
  const [service] = (await servicesOf("selector", [plugin, ...others])).values();
  assert.ok(service, `plugin "${plugin.name}" provides no selector`);
  return service.create(pool, "route");
}
