// The router of an InfiniLM deployment, as a config to go on from. Run it: npx plugboard --config examples/infinilm/proxy.config.ts
import { defineProxy, env } from "plugboard";
import { accessLog, infinilm, stats } from "plugboard/plugins";

// `plugboard router` does the same with the flags of infini-router; here, plugins of any kind may stand beside it.
export default defineProxy({
  port: 8080,
  host: env("BIND", "127.0.0.1"),
  plugins: [
    infinilm({
      registryUrl: env("REGISTRY_URL", "http://127.0.0.1:18000"),
      registrySyncInterval: 10_000,
      removalGracePeriod: 60_000,
      staticServices: new URL("static-services.json", import.meta.url).pathname,
      healthInterval: 30_000,
      healthTimeout: 5_000,
      maxErrors: 3,
      proxyTimeout: 1_800_000,
      cacheTypeThreshold: 51_200,
    }),
    stats({ prefix: "/_proxy" }),
    accessLog(),
  ],
  // Images in messages are large, and what is larger than this is a 413.
  limits: { inspect: 100 * 1024 * 1024 },
});
