// The machines at hand first, the cloud when they are down or have eight requests each. Run it: npx plugboard --config examples/local-first/proxy.config.ts
import { defineProxy, env } from "plugboard";
import { alias, leastConnections, openaiErrors, priority, providers, sse, staticTargets } from "plugboard/plugins";

export default defineProxy({
  plugins: [
    staticTargets({
      targets: [
        { id: "gpu-1", url: "http://127.0.0.1:8001", models: ["qwen3-32b"] },
        { id: "gpu-2", url: "http://127.0.0.1:8002", models: ["qwen3-32b"] },
      ],
    }),
    providers({
      cloud: {
        url: "https://llm.cloud.example",
        auth: { type: "bearer", key: env("CLOUD_API_KEY") },
        models: ["qwen3-32b-instruct"],
        labels: { priority: "1" },
      },
    }),
    priority({ inner: leastConnections(), maxInflight: 8 }),
    alias({ qwen: { targets: [{ model: "qwen3-32b" }, { model: "qwen3-32b-instruct", provider: "cloud" }] } }),
    sse(),
    openaiErrors(),
  ],
});
