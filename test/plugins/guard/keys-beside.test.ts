import { createHash } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { createProxy, definePlugin } from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { providers } from "plugboard/plugins/resolve/providers";
import { keys, type KeysOptions } from "plugboard/plugins/guard/keys";
import { type GuardRequest, type GuardRig, withGuard } from "../../../core/testing/guard-rig.ts";

const alice = "canary-alice-0123456789";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const bearer = (key: string): GuardRequest => ({ headers: { authorization: `Bearer ${key}` } });

const only: KeysOptions = { keys: [{ name: "alice", hash: sha256(alice) }] };

/** Says which model a request means: what its header says. */
const naming = definePlugin({
  name: "naming",
  setup: () => ({
    inspect(x) {
      x.model = x.headers["x-model"]?.toString();
    },
  }),
});

test.each([
  ["fast", 200],
  ["gpt-4o", 200],
  ["gpt-", 200],
  ["gpt", 403],
  ["faster", 403],
  ["Fast", 403],
  ["fas*", 403],
  [undefined, 403],
])("a key for fast and gpt-* is answered for the model %s with %i", (model, status) =>
  withGuard(
    () => [keys({ keys: [{ name: "alice", hash: sha256(alice), models: ["fast", "gpt-*"] }] }), naming()],
    async ({ ask, upstream }) => {
      const headers = { ...bearer(alice).headers, ...(model !== undefined && { "x-model": model }) };
      const seen = await ask({ method: "POST", headers, body: "{}" });
      expect(seen.status).toBe(status);
      if (status !== 403) return;
      expect(seen.headers["x-proxy-error"]).toBe("forbidden");
      expect(upstream).toEqual([]);
    },
  ),
);

test("a key for an alias is good for its synonyms, and not for the model behind it", async () => {
  await withGuard(
    () => [
      keys({ keys: [{ name: "alice", hash: sha256(alice), models: ["fast"] }] }),
      alias({ fast: { synonyms: ["quick"], targets: [{ model: "llama" }] }, slow: { targets: [{ model: "llama" }] } }),
    ],
    async ({ ask }) => {
      const statuses = ["fast", "quick", "slow"].map(async (model) => {
        const headers = { ...bearer(alice).headers, "content-type": "application/json" };
        return (await ask({ method: "POST", headers, body: JSON.stringify({ model }) })).status;
      });
      expect(await Promise.all(statuses)).toEqual([200, 200, 403]);
    },
  );
});

test.each(["before", "after"])("the key of a provider is sent, with the guard %s it", async (where) => {
  await withGuard(
    () => [],
    async (rig) => {
      // The upstream of a rig of its own.
      const url = await urlOf(rig);
      const upstreams = providers({ openai: { url, auth: { key: "provider-key" } } });
      const plugins = where === "before" ? [keys(only), upstreams] : [upstreams, keys(only)];
      const proxy = await createProxy({ plugins });
      onTestFinished(() => proxy.close({ deadline: 0 }));
      const { port } = await proxy.listen();
      const headers = { authorization: `Bearer ${alice}`, "x-api-key": alice };
      const { status } = await fetch(`http://127.0.0.1:${port}/v1/models`, { headers });
      expect(status).toBe(200);
      expect(rig.upstream.at(-1)).toContain("Bearer provider-key");
      expect(rig.upstream.at(-1)).not.toContain(alice);
    },
  );
});

/** Where the upstream of a rig is: as its explanation says. */
async function urlOf({ proxy }: GuardRig): Promise<string> {
  const { upstream } = await proxy.explain({ path: "/" });
  return new URL(upstream?.url ?? "").origin;
}
