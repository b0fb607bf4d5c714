// A selector of your own in a few lines: the cheapest target that is up. Run it: npx plugboard --config examples/custom-selector.ts
import { defineProxy, defineSelector, type Target } from "plugboard";
import { mockBackend } from "plugboard/plugins";

// One of weight 0 is for when there is nothing else.
const price = ({ weight, labels }: Target): number => (weight > 0 ? Number(labels.price ?? 1) : Infinity);

export const cheapest = defineSelector({
  name: "cheapest",
  pick: (targets) => targets.reduce((a, b) => (price(a) <= price(b) ? a : b)),
});

export default defineProxy({
  plugins: [
    mockBackend({
      backends: [
        { id: "dear", labels: { price: "0.60" } },
        { id: "cheap", labels: { price: "0.15" } },
      ],
    }),
    cheapest(),
  ],
});
