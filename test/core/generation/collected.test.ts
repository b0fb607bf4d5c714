import type { ConfigFunction, ProxyConfig } from "plugboard";
import { concurrency, fileExists, leastConnections, outlierEjection, sse, stats } from "plugboard/plugins";
import { expect, test } from "vitest";
import type { ActiveExchange } from "../../../core/exchange/exchange.ts";
import { watchCollected } from "../collected.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";

const rounds = 30;

/** Whatever a generation starts, and something that hears of each generation that answers a request. */
function configWith(seen: (generation: object) => void): ProxyConfig {
  const probe = quickPlugin("probe", (proxy) => {
    proxy.every(60_000, () => {});
    proxy.watchFile(import.meta.filename);
    proxy.pool().onLoad(() => {});
    const reporter = proxy.reporter("probe");
    return {
      request(x) {
        seen((x as ActiveExchange).generation);
      },
      end() {
        reporter.down("mem://b", "so that a verdict outlives its generation", 60_000);
      },
    };
  });
  const upstream = memUpstream(undefined, [{ url: "mem://a" }, { url: "mem://b" }]);
  const plugins = [upstream, probe, leastConnections(), outlierEjection(), concurrency({ process: 8 }), sse(), stats()];
  return {
    plugins,
    listeners: { second: { port: 0, plugins: [fileExists({ path: "/none" })] } },
    mounts: [{ path: "/mounted", plugins: [stats({ prefix: "/other" })] }],
  };
}

const kinds: readonly (readonly [string, (config: ProxyConfig) => ProxyConfig | ConfigFunction])[] = [
  ["a config", (config) => config],
  ["a function", (config) => () => ({ ...config })],
];

test.each(kinds)("however often %s is set up anew, only the generation that serves is left", async (_kind, given) => {
  const watched = watchCollected();
  const proxy = await openProxy(given(configWith(watched.add)) as ProxyConfig);
  await proxy.listen();
  const ask = async (): Promise<string> => (await proxy.fetch(new Request("http://proxy/mounted"))).text();
  await ask();
  for (let round = 0; round < rounds; round++) {
    await proxy.reload();
    expect(await ask()).toBe("mem://a");
  }
  expect(await watched.left(1)).toBe(1);
});

test("a config that is refused again and again leaves nothing", async () => {
  const watched = watchCollected();
  const refused = quickPlugin("refused", (proxy) => {
    watched.add(proxy.pool());
    proxy.every(60_000, () => {});
    proxy.onReady(() => {
      throw new Error("not ready");
    });
  });
  const proxy = await openProxy({ plugins: [memUpstream()] });
  for (let round = 0; round < rounds; round++) {
    // Not with `rejects`, which keeps the error, and with it what stood on the stack.
    const message = await proxy.reload({ plugins: [memUpstream(), refused] }).then(
      () => "",
      (error: unknown) => String(error),
    );
    expect(message).toContain("not ready");
  }
  expect(await watched.left(0)).toBe(0);
});
