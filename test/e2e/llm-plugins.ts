import type { AliasOptions } from "plugboard/plugins/resolve/alias";
import type { Plugin } from "plugboard";
import { alias, inOrder, model, models, openaiErrors, sse, stats } from "plugboard/plugins";

const aliases: AliasOptions = {
  fast: { targets: [{ model: "small" }], synonyms: ["quick"] },
  vectors: { targets: [{ model: "embedder" }] },
};

/** What a proxy in front of OpenAI-compatible backends is made of, but for the backends, which serve these models. */
export function llmPlugins(served: readonly (string | undefined)[] = ["small"]): Plugin[] {
  const named = Object.entries(aliases).filter(([, { targets = [] }]) =>
    targets.every((target) => served.includes(target.model)),
  );
  return [inOrder(), alias(Object.fromEntries(named)), model(), sse(), models(), stats(), openaiErrors()];
}
