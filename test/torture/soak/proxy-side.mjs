/** JavaScript of a plugin that says what the process holds, after a collection. */
export const lookInside = `definePlugin({ name: "look-inside", async setup(proxy) {
  const { monitorEventLoopDelay } = await import("node:perf_hooks");
  const delay = proxy.keep("delay", () => monitorEventLoopDelay({ resolution: 10 }));
  delay.enable();
  proxy.route("GET", "/inside", async () => {
    const lag = delay.percentile(99) / 1e6;
    for (let round = 0; round < 3; round++) {
      globalThis.gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, rss, external, arrayBuffers } = process.memoryUsage();
    delay.reset();
    return { heapUsed, rss, external, arrayBuffers, lag, handles: process.getActiveResourcesInfo().length, active: proxy.status().active };
  });
} })(),`;
