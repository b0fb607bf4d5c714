import { createConsola } from "consola";
import { createProxy, type Plugin, type Pool, type Proxy } from "plugboard";
import { registryTargets, type RegistryTargetsOptions } from "plugboard/plugins/discovery/registry-targets";
import { expect, onTestFinished } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { entry, type StubEntry, type StubRegistry, stubRegistry } from "./stub-registry.ts";

/** A clock that stands still until it is told to go on. */
export interface Clock {
  readonly now: () => number;
  pass(milliseconds: number): void;
}

export function createClock(): Clock {
  let time = 1_000_000;
  return { now: () => time, pass: (milliseconds) => void (time += milliseconds) };
}

export interface Rig {
  readonly proxy: Proxy;
  readonly log: readonly string[];
  pool(name?: string): Pool;
  /** Ids of the default pool, all and those that are available. */
  ids(): readonly string[];
  available(): readonly string[];
  /** Loads the same plugins once more, or with other options of the registry's. */
  reload(options?: Partial<RegistryTargetsOptions>): Promise<void>;
}

export interface RigOptions extends RegistryTargetsOptions {
  readonly beside?: () => readonly Plugin[];
}

/** A proxy whose targets come from a registry. It looks each 10 ms, and sees time pass when the clock does. */
export async function startRig({ beside = () => [], ...given }: RigOptions): Promise<Rig> {
  const options = { interval: 10, random: () => 0.5, ...given };
  const log: string[] = [];
  const toConfig = (changes: Partial<RegistryTargetsOptions> = {}) => ({
    plugins: [...beside(), registryTargets({ ...options, ...changes })],
  });
  const reporter = {
    log: ({ type, args }: { type: string; args: unknown[] }) => void log.push(`${type}: ${args.join(" ")}`),
  };
  const proxy = await createProxy(toConfig(), { log: createConsola({ level: 3, reporters: [reporter] }) });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const pool = (name = "default"): Pool => proxy.pools().find((each) => each.name === name)!;
  return {
    proxy,
    log,
    pool,
    ids: () => pool().snapshot.all.map(({ id }) => id),
    available: () => pool().snapshot.available.map(({ id }) => id),
    reload: async (changes) => void (await proxy.reload(toConfig(changes))),
  };
}

export const four: readonly [StubEntry, StubEntry, StubEntry, StubEntry] = [
  entry("a"),
  entry("b"),
  entry("c"),
  entry("d"),
];

export interface Polled {
  readonly registry: StubRegistry;
  readonly clock: Clock;
  readonly rig: Rig;
  /** Lets time pass, and comes back when the registry was asked and its answer has arrived. */
  pass(milliseconds: number): Promise<void>;
}

/** A registry of four services that is asked whenever the clock goes on. */
export async function polled(epoch: string | null = "e1"): Promise<Polled> {
  const registry = await stubRegistry(four, { epoch });
  const clock = createClock();
  const rig = await startRig({ url: registry.url, watch: false, now: clock.now });
  return {
    registry,
    clock,
    rig,
    async pass(milliseconds) {
      // Twice: when it is asked for the second time, the first answer has arrived.
      for (const part of [milliseconds - 20, 20]) {
        const before = registry.asked.length;
        clock.pass(part);
        await eventually(() => expect(registry.asked.length).toBeGreaterThan(before));
      }
      await new Promise((resolve) => void setImmediate(resolve));
    },
  };
}
