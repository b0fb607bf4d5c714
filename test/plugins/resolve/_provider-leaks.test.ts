import { createProxy } from "plugboard";
import { providers } from "plugboard/plugins/resolve/providers";
import { expect, test } from "vitest";

const url = "https://x.example.com";
const canary = "sk-canary-0123456789";

test.each<[what: string, provider: unknown]>([
  ["as another member", { url, auth: { bearer: canary } }],
  ["beside the type", { url, auth: { type: "bearer", value: canary } }],
  ["without a member", { url, auth: canary }],
  ["as the type", { url, auth: { type: canary, key: "x" } }],
  ["in a list", { url, auth: { key: [canary] } }],
  ["as a list", { url, auth: [canary] }],
  ["with the end of a line", { url, auth: { key: `${canary}\n` } }],
  ["in an object", { url, auth: { key: { value: canary } } }],
  ["in the URL", { url: `https://u:${canary}@host` }],
  ["in a URL without a scheme", { url: `u:${canary}@host` }],
  ["in the URL's query", { url: `https://host?key=${canary}` }],
  ["in a header", { url, headers: { "x-org": `${canary}\n` } }],
  ["as the headers", { url, headers: canary }],
  ["in a body field", { url, extraBody: { a: 1n, key: canary } }],
  ["as an option that is none", { url, apiKey: canary }],
  ["as another that is none", { url, bearer: canary }],
  ["as the provider", canary],
  ["as a list of providers", [canary]],
])("a key that stands at a wrong place is not shown: %s", async (_what, provider) => {
  const error: unknown = await createProxy({ plugins: [providers({ p: provider } as never)] }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toContain("plugins[0] providers");
  expect(JSON.stringify(error) + String(error)).not.toContain("canary");
});
