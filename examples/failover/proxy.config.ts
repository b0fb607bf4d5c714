// One name, three places to go, one after the other. Run it: npx plugboard --config examples/failover/proxy.config.ts
import { defineProxy } from "plugboard";
import { alias, inOrder, leastConnections, openaiErrors, staticTargets } from "plugboard/plugins";

export default defineProxy({
  plugins: [
    staticTargets({
      targets: [
        { id: "gpu-1", url: "http://127.0.0.1:8001", models: ["qwen3-32b"] },
        { id: "gpu-2", url: "http://127.0.0.1:8002", models: ["qwen3-32b"] },
        { id: "small", url: "http://127.0.0.1:8003", models: ["qwen3-8b"] },
        { id: "cloud", url: "http://127.0.0.1:8004", models: ["gpt-4o-mini"] },
      ],
    }),
    leastConnections(),
    inOrder(),
    alias({
      chat: {
        groups: [
          { name: "primary", targets: [{ model: "qwen3-32b" }] },
          { name: "spare", targets: [{ model: "qwen3-8b" }, { model: "gpt-4o-mini" }], selector: "in-order" },
        ],
        retry: { attempts: 4, on: ["connect", "reset", "status"], statuses: [429, 500, 502, 503, 529] },
      },
    }),
    openaiErrors(),
  ],
});
