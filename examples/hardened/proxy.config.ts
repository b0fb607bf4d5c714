// Own GPUs, a paid API behind them, and what lets an operator sleep. Run it: npx plugboard --config examples/hardened/proxy.config.ts
import { defineProxy, env } from "plugboard";
import * as p from "plugboard/plugins";

const gpu = { models: ["qwen3-32b"], maxConcurrency: 8 };
// printf %s alice-and-her-secret | sha256sum
const alice = "c62d86bb3420dee9299e94841afe788a113742856314a96b6ac209ffea813ec9";

export default defineProxy({
  listeners: { ops: { port: 9000, control: ["admin", "stats"] } },
  plugins: [
    p.requestId(),
    p.keys({ keys: [{ name: "alice", hash: alice }], control: false }), // what is answered here has port 9000 to itself
    p.rateLimit({
      rules: [
        { requests: 600, tokens: 2_000_000 },
        { by: "all", concurrent: 2_000 },
      ],
    }),
    p.overload(),
    p.staticTargets({
      targets: [
        { ...gpu, id: "gpu-1", url: "http://127.0.0.1:8001" },
        { ...gpu, id: "gpu-2", url: "http://127.0.0.1:8002" },
      ],
    }),
    p.providers({ cloud: { url: "https://cloud.example", auth: { key: env("CLOUD_KEY") }, models: ["qwen-cloud"] } }),
    p.alias({
      qwen: { targets: [{ model: "qwen3-32b" }], fallback: "qwen-paid" },
      "qwen-paid": { targets: [{ model: "qwen-cloud", provider: "cloud" }] },
    }),
    p.queue({ wait: 10_000 }),
    p.leastConnections(),
    p.activeHealth({ path: "/health", targets: { cloud: false } }),
    p.outlierEjection(),
    p.coolDown(),
    p.slowStart(),
    p.contentGate({ within: 20_000 }),
    p.sse(),
    p.openaiErrors(),
    p.accessLog(),
    p.stats(),
    p.admin(),
  ],
});
