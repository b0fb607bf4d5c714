// The cheapest provider of a model answers, a dearer one when that cannot. Run it: npx plugboard --config examples/cheapest-first/proxy.config.ts
import { defineProxy, env } from "plugboard";
import { alias, cost, openaiErrors, providers, sse } from "plugboard/plugins";

export default defineProxy({
  plugins: [
    providers({
      budget: {
        url: "https://llm.budget.example",
        auth: { type: "bearer", key: env("BUDGET_API_KEY") },
        models: { "llama-3.3-70b": { price: { input: 0.1, output: 0.3 } } },
        maxConcurrency: 20,
      },
      premium: {
        url: "https://llm.premium.example",
        auth: { type: "x-api-key", key: env("PREMIUM_API_KEY") },
        models: { "llama-3.3-70b": { price: { input: 0.6, output: 0.9 } } },
      },
    }),
    cost(),
    alias({
      llama: {
        targets: [{ model: "llama-3.3-70b" }],
        retry: { on: ["connect", "reset", "status"], statuses: [429, 503] },
      },
    }),
    sse(),
    openaiErrors(),
  ],
});
