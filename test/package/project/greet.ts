import { definePlugin } from "plugboard";
import * as v from "valibot";

/** Adds a header to each answer. */
export const greet = definePlugin({
  name: "greet",
  options: v.strictObject({ greeting: v.string() }),
  setup: (_proxy, { greeting }) => ({
    upstreamResponse(_x, head) {
      head.headers["x-greeting"] = greeting;
    },
  }),
});
