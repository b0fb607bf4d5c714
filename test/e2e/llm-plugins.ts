import type { Plugin } from "plugboard";
import { alias, inOrder, model, models, openaiErrors, sse, stats } from "plugboard/plugins";

/** What a proxy in front of OpenAI-compatible backends is made of, but for the backends. */
export function llmPlugins(): Plugin[] {
  return [
    inOrder(),
    alias({
      fast: { targets: [{ model: "small" }], synonyms: ["quick"] },
      vectors: { targets: [{ model: "embedder" }] },
    }),
    model(),
    sse(),
    models(),
    stats(),
    openaiErrors(),
  ];
}
