import { definePlugin, type Plugin, type ProxyConfig } from "plugboard";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { validateConfig } from "../../../core/config/validate.ts";

const secret = "sk-live-0123456789";
const auth = definePlugin({
  name: "auth",
  options: v.strictObject({
    keys: v.array(v.pipe(v.string(), v.minLength(30, "Expected 30 characters or more"))),
    apiKey: v.optional(v.number()),
    token: v.optional(v.picklist(["a", "b"])),
    password: v.optional(v.boolean()),
    headers: v.optional(v.record(v.string(), v.number())),
    nested: v.optional(v.string()),
    url: v.optional(v.number()),
  }),
  setup: () => {},
});
const plain = definePlugin({ name: "plain", setup: () => {} });

async function refusal(config: unknown): Promise<string> {
  const error: unknown = await validateConfig(config as ProxyConfig).catch((reason: unknown) => reason);
  if (!(error instanceof Error)) throw new Error("nothing was refused");
  return `${error.message}\n${JSON.stringify(error)}`;
}

const withOptions = (options: object): ProxyConfig => ({
  plugins: [(auth as (options: unknown) => Plugin)({ keys: [], ...options })],
});

describe("a secret is not repeated when it is refused", () => {
  test.each<[string, unknown]>([
    ["as one of a list of keys", withOptions({ keys: [secret] })],
    ["as a text where a list belongs", withOptions({ keys: secret })],
    ["under a name that says it is one", withOptions({ apiKey: secret })],
    ["as a choice that is none", withOptions({ token: secret })],
    ["as a password", withOptions({ password: secret })],
    ["as a header", withOptions({ headers: { Authorization: `Bearer ${secret}` } })],
    ["in an object at the wrong place", withOptions({ nested: { apiKey: secret } })],
    ["in a list at the wrong place", withOptions({ nested: [{ token: secret }] })],
    ["under a name that is misspelt", withOptions({ apikey: secret })],
    ["in a URL", withOptions({ url: `http://user:${secret}@host/` })],
    [
      "given to a plugin that takes no options",
      { plugins: [(plain as (options: unknown) => Plugin)({ apiKey: secret })] },
    ],
    ["beside the plugins", { plugins: [], apiKey: secret }],
    ["in a config without plugins", { plugin: [], apiKey: secret }],
    ["instead of a plugin", { plugins: [{ name: "auth", options: { apiKey: secret } }] }],
  ])("%s", async (_where, config) => {
    const text = await refusal(config);
    expect(text).not.toContain(secret);
    expect(text).not.toContain("0123456789");
  });
});

test("what is no secret is shown, shortened", async () => {
  expect(await refusal(withOptions({ nested: 42 }))).toContain("received 42");
  const long = await refusal(withOptions({ url: "x".repeat(500) }));
  expect(long.split("\n")[0]?.length).toBeLessThan(250);
});
