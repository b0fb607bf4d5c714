// A conversation stays where its prompt is cached, for every proxy in front of the same targets. Run it: npx plugboard --config examples/sticky-sessions/proxy.config.ts
import { defineProxy } from "plugboard";
import { leastConnections, model, session, staticTargets } from "plugboard/plugins";

export default defineProxy({
  plugins: [
    staticTargets({
      targets: [1, 2, 3, 4].map((n) => ({ id: `gpu-${n}`, url: `http://127.0.0.1:800${n}`, models: ["chat"] })),
    }),
    session({ key: ["header:x-session-id", "body:prompt_cache_key"], inner: leastConnections() }),
    model(),
  ],
});
