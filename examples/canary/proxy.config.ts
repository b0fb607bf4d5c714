// Five requests in a hundred go to the new version. Run it: npx plugboard --config examples/canary/proxy.config.ts
import { defineProxy } from "plugboard";
import { model, roundRobin, split, staticTargets } from "plugboard/plugins";

export default defineProxy({
  plugins: [
    staticTargets({
      targets: [
        { id: "stable-1", url: "http://127.0.0.1:8001", models: ["chat"], labels: { group: "stable" } },
        { id: "stable-2", url: "http://127.0.0.1:8002", models: ["chat"], labels: { group: "stable" } },
        { id: "canary-1", url: "http://127.0.0.1:8003", models: ["chat"], labels: { group: "canary" } },
      ],
    }),
    split({ canary: 5, stable: 95 }, { inner: roundRobin() }),
    model(),
  ],
});
