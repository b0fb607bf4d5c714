// A plugin of your own, with options that are checked at start. Run it: npx plugboard --config examples/custom-plugin.ts
import { definePlugin, defineProxy, ProxyError } from "plugboard";
import { mockBackend, openaiErrors } from "plugboard/plugins";
import * as v from "valibot";

/** Lets in who has a key, and tells the upstream the name that goes with it instead. */
export const apiKeys = definePlugin({
  name: "api-keys",
  // Any Standard Schema will do: valibot, zod, arktype.
  options: v.strictObject({ keys: v.record(v.string(), v.string()) }),
  setup(proxy, { keys }) {
    const names = new Map(Object.entries(keys));
    const name = proxy.slot<string>("api-key-name");
    return {
      request(x) {
        const [, key = ""] = /^Bearer (.+)$/.exec(x.headers.authorization ?? "") ?? [];
        const found = names.get(key);
        if (found === undefined) throw new ProxyError("unauthorized", "This API key is not known.");
        name.set(x, found);
      },
      upstreamRequest(x) {
        delete x.upstream.headers.authorization;
        x.upstream.headers["x-user"] = name.get(x);
      },
    };
  },
});

export default defineProxy({
  plugins: [mockBackend(), apiKeys({ keys: { [process.env.API_KEY ?? "secret"]: "alice" } }), openaiErrors()],
});
