import { defineProxy } from "plugboard";
import {
  accessLog,
  activeHealth,
  alias,
  inOrder,
  leastConnections,
  mockBackend,
  model,
  models,
  openaiErrors,
  sse,
  stats,
} from "plugboard/plugins";

// `npx plugboard --watch` serves this file and takes in every change of it.
export default defineProxy({
  port: 8000,
  plugins: [
    // Where requests go: three models that run in this process and need nothing. For servers of your own use
    // staticTargets({ targets: [{ url: "http://127.0.0.1:8001", models: ["qwen3-8b"] }] }).
    mockBackend({
      backends: [
        { models: ["qwen3-8b", "bge-m3"], latency: 20, chunkInterval: 15 },
        { models: ["qwen3-8b"], latency: 40, chunkInterval: 15 },
        { models: ["llama-3.3-70b"], latency: 120, chunkInterval: 30 },
      ],
    }),
    activeHealth({ interval: 5_000 }),

    // Who is picked: the first selector is the default, an alias may name another.
    leastConnections(),
    inOrder(),

    // What a client may ask for: these names, and the models by their own.
    alias({
      fast: { targets: [{ model: "qwen3-8b" }], synonyms: ["gpt-4o-mini"], description: "Quick and cheap" },
      smart: { targets: [{ model: "llama-3.3-70b" }, { model: "qwen3-8b" }], selector: "in-order" },
      mixed: { targets: [{ model: "qwen3-8b", weight: 3 }, { model: "llama-3.3-70b" }] },
    }),
    model(),

    // What comes with it: streams that break visibly, GET /v1/models, /health, /ready, /stats, a log line per request.
    sse(),
    models(),
    openaiErrors(),
    stats(),
    accessLog(),
  ],
});
