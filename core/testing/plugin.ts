import assert from "node:assert/strict";
import { createConsola } from "consola";
import { validateOptions } from "../config/validate.ts";
import type { Proxy } from "../contract/proxy.ts";
import type { Awaitable, Services } from "../contract/services.ts";
import { Registry } from "../generation/registry.ts";
import { routeDefaults } from "../generation/routes.ts";
import { createSetup } from "../generation/setup.ts";
import type { Plugin, PluginInstance } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import { Ledger } from "../targets/ledger.ts";

/** `test` of vitest, node:test, jest or mocha. */
export type Test = (name: string, run: () => Awaitable<void>) => unknown;

export interface BadOptions {
  readonly options: unknown;
  /** What the refusal must say; the path of the option at least, such as `targets.0.url`. */
  readonly says: string | RegExp;
}

export interface PluginSuite {
  readonly test: Test;
  /** A new plugin with valid options for each case. */
  readonly create: () => Plugin;
  /** What else its config has to hold, such as a selector that it names. */
  readonly others?: () => readonly Plugin[];
  /** Options that must be refused at start. */
  readonly badOptions?: readonly BadOptions[];
}

/**
 * Tests the laws that hold for plugins of every kind.
 *
 * Unknown options are refused by name, options are not changed, the factory opens nothing, two instances are
 * independent, closing twice is fine and leaves no socket, timer or watcher.
 *
 * @example
 * testPlugin({ test, create: () => staticTargets({ targets: ["http://127.0.0.1:9"] }) });
 */
export function testPlugin({ test, create, others = () => [], badOptions = [] }: PluginSuite): void {
  const start = (plugin: Plugin): Promise<Proxy> => createProxy({ plugins: [plugin, ...others()] });

  test("its name is in kebab-case", () => {
    assert.match(create().name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
  });

  test("refuses an unknown option by name", async () => {
    const plugin = create() as unknown as PluginInstance;
    const input = isPlain(plugin.input) ? plugin.input : {};
    await refuses(start(withInput(plugin, { ...input, notAnOption: true })), plugin.name, "notAnOption");
  });

  for (const { options, says } of badOptions) {
    test(`refuses bad options: ${says}`, async () => {
      const plugin = create() as unknown as PluginInstance;
      await refuses(start(withInput(plugin, options)), plugin.name, says);
    });
  }

  test("takes frozen options", async () => {
    const plugin = create();
    freeze((plugin as unknown as PluginInstance).input);
    const proxy = await start(plugin);
    await proxy.close({ deadline: 0 });
  });

  test("opens nothing before it is started", () => {
    const before = resources();
    create();
    assert.deepEqual(added(before), []);
  });

  test("closes twice and leaves nothing open", async () => {
    const before = resources();
    const proxy = await start(create());
    await proxy.close({ deadline: 0 });
    await proxy.close();
    await assertClosed(before);
  });

  test("goes on when another instance is closed", async () => {
    const one = await start(create());
    const two = await start(create());
    try {
      const request = (): Promise<Response> => two.fetch(new Request("http://proxy/contract-suite"));
      const before = await request();
      await one.close({ deadline: 0 });
      const after = await request();
      assert.equal(after.status, before.status);
    } finally {
      await Promise.all([one.close({ deadline: 0 }), two.close({ deadline: 0 })]);
    }
  });
}

/**
 * Gives what plugins provide of one kind, by name, set up and linked as a proxy does it; nothing is started.
 * Rejects as `createProxy` does when options are wrong.
 */
export async function servicesOf<K extends keyof Services>(
  kind: K,
  plugins: readonly Plugin[],
): Promise<ReadonlyMap<string, Services[K]>> {
  const log = createConsola({ level: -999 });
  const registry = new Registry(new Ledger(), { health() {}, source() {} }, routeDefaults(undefined, undefined));
  const { signal } = new AbortController();
  for (const [index, { instance, options }] of (await validateOptions(plugins as never)).entries()) {
    const context = { plugin: instance.name, index, log, mode: "test", signal, status: noStatus } as const;
    await instance.definition.setup(createSetup(registry, context), options as Record<never, never>);
  }
  registry.link();
  return registry.services.all(kind);
}

function noStatus(): never {
  throw new Error("there is no proxy to tell the status of; use createProxy");
}

function withInput(plugin: PluginInstance, input: unknown): Plugin {
  return { ...plugin, input } as unknown as Plugin;
}

async function refuses(start: Promise<Proxy>, name: string, says: string | RegExp): Promise<void> {
  const proxy = await start.catch((error: unknown) => error as Error);
  if (!(proxy instanceof Error)) {
    await proxy.close({ deadline: 0 });
    assert.fail(`${name} took options that it has to refuse: ${says}`);
  }
  assert.ok(proxy.message.includes(`plugins[0] ${name}: `), `does not name the plugin: ${proxy.message}`);
  const said = typeof says === "string" ? proxy.message.includes(says) : says.test(proxy.message);
  assert.ok(said, `does not say ${says}: ${proxy.message}`);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

/** Deep, through plain objects and lists. */
function freeze(value: unknown): void {
  if (!isPlain(value) && !Array.isArray(value)) return;
  Object.values(value).forEach(freeze);
  Object.freeze(value);
}

function resources(): string[] {
  return process.getActiveResourcesInfo();
}

/** Kinds of resources that there are more of than before. */
function added(before: readonly string[]): string[] {
  const rest = [...before];
  return resources().filter((kind) => {
    const index = rest.indexOf(kind);
    if (index !== -1) rest.splice(index, 1);
    return index === -1;
  });
}

/** A socket is gone some turns of the event loop after it was destroyed, and a runner has timers that come and go. */
async function assertClosed(before: readonly string[]): Promise<void> {
  const deadline = performance.now() + 1_000;
  while (added(before).length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => void setImmediate(resolve));
  }
  assert.deepEqual(added(before), [], "still open after close()");
}
