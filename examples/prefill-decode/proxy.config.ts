// One engine reads the prompt, another writes the answer. Run it: npx plugboard --config examples/prefill-decode/proxy.config.ts
import { defineProxy } from "plugboard";
import { activeHealth, disaggregate, leastConnections, model, powerOfTwoChoices } from "plugboard/plugins";
import { openaiErrors, sse, staticTargets, stats } from "plugboard/plugins";

// vLLM with --kv-transfer-config '{"kv_connector": "NixlConnector", "kv_role": "kv_both"}'. For SGLang: protocol "sglang".
const prefill = { role: "prefill", protocol: "nixl" };
const decode = { role: "decode", protocol: "nixl" };

export default defineProxy({
  plugins: [
    staticTargets({
      targets: [
        { id: "prefill-1", url: "http://127.0.0.1:8101", models: ["qwen3-32b"], meta: prefill },
        { id: "prefill-2", url: "http://127.0.0.1:8102", models: ["qwen3-32b"], meta: prefill },
        { id: "decode-1", url: "http://127.0.0.1:8201", models: ["qwen3-32b"], meta: decode },
        { id: "decode-2", url: "http://127.0.0.1:8202", models: ["qwen3-32b"], meta: decode },
        // Does both phases, for when there is no pair.
        { id: "unified", url: "http://127.0.0.1:8301", models: ["qwen3-32b"] },
      ],
    }),
    activeHealth(),
    leastConnections(),
    model(),
    disaggregate({ prefill: powerOfTwoChoices() }),
    sse(),
    openaiErrors(),
    stats(),
  ],
});
