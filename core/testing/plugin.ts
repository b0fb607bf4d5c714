import assert from "node:assert/strict";
import type { Proxy } from "../contract/proxy.ts";
import type { Awaitable, Services } from "../contract/services.ts";
import { Generation } from "../generation/generation.ts";
import type { Plugin, PluginInstance } from "../plugin.ts";
import { ProxyState } from "../proxy-state.ts";
import { createProxy } from "../proxy.ts";
import { assertNoMoreHandles, openHandles } from "./handles.ts";
import { seededRandom } from "../seeded-random.ts";

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
    await proxy.close();
  });

  test("opens nothing before it is started", async () => {
    const before = await openHandles();
    create();
    await assertNoMoreHandles(before);
  });

  test("closes twice and leaves nothing open", async () => {
    const before = await openHandles();
    // More than once: a timer of the runner that ends meanwhile would make up for one that is left.
    for (let round = 0; round < 4; round++) {
      const proxy = await start(create());
      await proxy.close();
      await proxy.close();
    }
    await assertNoMoreHandles(before);
  });

  test("goes on when another instance is closed", async () => {
    const one = await start(create());
    const two = await start(create());
    const before = await status(two);
    await one.close();
    const after = await status(two);
    await two.close();
    assert.equal(after, before);
  });
}

/**
 * Gives what plugins provide of one kind, by name, set up and linked as a proxy does it; nothing is started. What they
 * draw by `Setup.random` is the same row each time. Rejects as `createProxy` does when options are wrong.
 */
export async function servicesOf<K extends keyof Services>(
  kind: K,
  plugins: readonly Plugin[],
): Promise<ReadonlyMap<string, Services[K]>> {
  return (await loadPlugins(plugins)).registry.root.services.all(kind);
}

/** Sets plugins up and links them as a proxy does it; with the state of an earlier call, as its next generation. */
export function loadPlugins(plugins: readonly Plugin[], state: ProxyState = seededState()): Promise<Generation> {
  return Generation.load({ plugins }, state, { number: 1, mode: "test", status: noStatus });
}

/** What the generations of one proxy share, with a chance that is the same in each run. */
export function seededState(): ProxyState {
  const state = new ProxyState();
  state.random = seededRandom(1);
  return state;
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
    await proxy.close();
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

async function status(proxy: Proxy): Promise<number> {
  const response = await proxy.fetch(new Request("http://proxy/contract-suite"));
  await response.arrayBuffer();
  return response.status;
}
