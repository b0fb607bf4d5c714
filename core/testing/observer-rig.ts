import { request } from "node:http";
import type { HookMap } from "../contract/hooks.ts";
import type { Proxy } from "../contract/proxy.ts";
import { definePlugin, type Plugin, type PluginInstance } from "../plugin.ts";
import { createQuietProxy } from "./quiet-proxy.ts";
import { observedUpstream } from "./observed-upstream.ts";
import { until } from "./within.ts";

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The model of the exchange. */
  readonly model?: string;
  /** Leave as soon as the head is there. */
  readonly leave?: boolean;
}

/** What a client saw; `cut`: the response never ended. */
export interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly cut: boolean;
}

/** A proxy with an observer, or with none. */
export interface ObserverRig {
  ask(asked: Asked): Promise<Seen>;
  /** Settles when the observer was told of the end of all that was asked. */
  ended(): Promise<void>;
}

/** In a request of the suite: which of the models asked for so far it means. A model may be more than a header holds. */
const modelHeader = "x-suite-model";

export async function withObserver(
  observer: Plugin | undefined,
  law: (rig: ObserverRig) => Promise<void>,
  options: { readonly targets?: boolean } = {},
): Promise<void> {
  const upstream = await observedUpstream();
  const ends = countEnds();
  const urls = options.targets === false ? [] : [upstream.url];
  const models: (string | undefined)[] = [];
  let proxy: Proxy | undefined;
  try {
    proxy = await createQuietProxy({ plugins: [targets(urls), naming(models), observer, ends.plugin] });
    const { port } = await proxy.listen();
    await law({
      ask(what) {
        const headers = { ...what.headers, [modelHeader]: String(models.push(what.model) - 1) };
        return ask(port, { ...what, headers });
      },
      ended: () => until(() => ends.count() >= models.length, "the end of each exchange"),
    });
  } finally {
    await proxy?.close({ deadline: 0 });
    upstream.close();
  }
}

/** The plugin, telling of what its observing hooks throw. */
export function tellingThrows(plugin: Plugin, told: (error: unknown) => void): Plugin {
  const instance = plugin as unknown as PluginInstance;
  const setup: typeof instance.definition.setup = async (proxy, options) => {
    const hooks: HookMap = (await instance.definition.setup(proxy, options)) ?? {};
    return Object.fromEntries(Object.entries(hooks).map(([phase, hook]) => [phase, telling(hook, told)]));
  };
  return { ...instance, definition: { ...instance.definition, setup } } as unknown as Plugin;
}

type AnyHook = (...args: unknown[]) => unknown;

function telling(hook: unknown, told: (error: unknown) => void): unknown {
  if (typeof hook !== "function") {
    const { handler, ...place } = hook as { readonly handler: unknown };
    return { ...place, handler: telling(handler, told) };
  }
  return (...args: unknown[]) => {
    try {
      return (hook as AnyHook)(...args);
    } catch (error) {
      told(error);
      throw error;
    }
  };
}

function targets(urls: readonly string[]): Plugin {
  return definePlugin({
    name: "suite-targets",
    setup(proxy) {
      proxy.needs({ body: "json" });
      proxy.provide("discovery", "suite-targets", { start: (sink) => sink.replace(urls.map((url) => ({ url }))) });
    },
  })();
}

function naming(models: readonly (string | undefined)[]): Plugin {
  return definePlugin({
    name: "suite-models",
    setup: () => ({
      inspect(x) {
        x.model = models[Number(x.headers[modelHeader])];
      },
    }),
  })();
}

/** Its hook runs after those of the plugins before it. */
function countEnds(): { readonly plugin: Plugin; count(): number } {
  let count = 0;
  const plugin = definePlugin({
    name: "suite-ends",
    setup: () => ({
      end() {
        count += 1;
        return undefined;
      },
    }),
  });
  return { plugin: plugin(), count: () => count };
}

function ask(port: number, { method = "GET", path, headers = {}, body, leave }: Asked): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", method, path, headers, agent: false });
    sent.once("error", reject);
    sent.once("response", (response) => {
      sent.off("error", reject).on("error", () => undefined);
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", () => undefined); // Being cut is told by `complete`.
      response.once("close", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: { ...response.headers },
          body: Buffer.concat(pieces).toString(),
          cut: !response.complete,
        }),
      );
      if (leave === true) response.destroy();
    });
    sent.end(body);
  });
}
