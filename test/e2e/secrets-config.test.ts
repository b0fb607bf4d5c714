import { expect, test, vi } from "vitest";
import { createSelfSigned, pemFiles } from "../certificates.ts";
import { createCanaries, createOutput, createProject, runCommand } from "./secrets-rig.ts";

vi.setConfig({ testTimeout: 60_000 });

const canaries = createCanaries("first", "second", "third");
const { first, second, third } = canaries;
const wrong = "sk-0123456789abcdef-cnry";
const env = { FIRST_KEY: first, REDIS_URL: `redis://user:${encodeURIComponent(second)}@127.0.0.1:1/` };

const withPlugins = (...plugins: readonly string[]): string => `import { defineProxy, env } from "plugboard";
import * as all from "plugboard/plugins";
const { providers, keys, registry, registryTargets, staticTargets } = all;
export default defineProxy({
  plugins: [
    ${plugins.join(",\n    ")},
  ],
});
`;

/** Configs that are refused, with secrets on and around the line that is wrong. */
const refused: readonly (readonly [what: string, config: string])[] = [
  [
    "a wrong option between two secrets",
    withPlugins(`providers({
      p: {
        auth: { type: "api-key", key: "${first}" },
        urll: "http://127.0.0.1:1",
        headers: { "x-org": "${second}" },
      },
    })`),
  ],
  ["a secret on the line itself", withPlugins(`providers({ p: { apiKey: "${first}", auth: ["${second}"] } })`)],
  ["a secret of a wrong form", withPlugins(`providers({ p: { url: "http://h", auth: { key: "${first}\\n" } } })`)],
  ["a client's key that is written down", withPlugins(`keys({ keys: [{ name: "alice", key: "${third}" }] })`)],
  ["a list of keys", withPlugins(`keys({ keys: ["${first}", "${second}"] })`)],
  ["a table of keys", withPlugins(`keys({ keys: { "${first}": "alice", bob: "${second}" } })`)],
  ["what looks like a key, at a place for something else", withPlugins(`keys({ file: "${wrong}", name: "${wrong}" })`)],
  ["a token with a space", withPlugins(`registryTargets({ url: "http://127.0.0.1:1", token: "${first} x" })`)],
  ["credentials in a URL", withPlugins(`registryTargets({ url: "http://user:${first}@127.0.0.1:1" })`)],
  [
    "credentials in the URL of a target",
    withPlugins(`staticTargets({ targets: ["http://user:${first}@127.0.0.1:1", { url: "http://h?key=${second}" }] })`),
  ],
  ["a secret behind a variable", withPlugins(`providers({ p: { auth: { key: env("FIRST_KEY") }, url: 1 } })`)],
  [
    "a secret in a constant",
    `import { providers } from "plugboard/plugins";\nconst apiKey = "${first}";\nexport default { plugins: providers({ p: { url: 1, auth: { key: apiKey } } }) };\n`,
  ],
  [
    "a broken line below a secret",
    `const key = "${first}";\nexport default { plugins: [ ) };\nconst token = "${third}";\n`,
  ],
  [
    "a module that is not there, below a secret",
    `const key = "${first}";\nimport "./none.mjs";\nexport default { plugins: [] };\n`,
  ],
  ["a Redis that is away", withPlugins(`registry({ storage: env("REDIS_URL") })`)],
];

const ways: readonly (readonly string[])[] = [["check"], ["--port", "0"], ["--port", "0", "--json"]];

test.each(refused)("a config is refused without showing %s", async (what, config) => {
  const project = await createProject({ "proxy.config.mjs": config });
  const output = createOutput();
  const printed = await Promise.all(ways.map((args) => runCommand({ args, env, project })));
  for (const [index, said] of printed.entries()) {
    // A check opens nothing, so it knows of no Redis.
    expect(said).toMatch(index === 0 && what.includes("Redis") ? /is valid/ : /problem|loaded|failed/);
    output.add(ways[index]?.join(" ") ?? "", said);
  }
  output.expectNone({ ...canaries, wrong });
});

test("a frame still shows what is wrong, with stars for what is secret", async () => {
  const [[, config] = ["", ""]] = refused;
  const project = await createProject({ "proxy.config.mjs": config });
  const printed = await runCommand({ args: ["check"], env, project });
  expect(printed).toContain('urll: "http://127.0.0.1:1"');
  expect(printed).toMatch(/key: "\*+" }/);
  expect(printed).toMatch(/headers: { "[*x-]+": "\*+" }/);
});

test("the passphrase of a certificate is not shown, right or wrong", async () => {
  const { cert, key } = createSelfSigned({ passphrase: first });
  const files = pemFiles({ cert, key });
  const output = createOutput();
  for (const passphrase of [second, `${first} `]) {
    const tls = JSON.stringify({ ...files, passphrase });
    const project = await createProject({ "proxy.config.mjs": `export default { plugins: [], tls: ${tls} };\n` });
    const printed = await runCommand({ args: ["--port", "0", "--json"], env, project });
    expect(printed).toMatch(/passphrase is wrong/);
    output.add("what was printed", printed);
  }
  output.expectNone(canaries);
});

test.each<[string, readonly string[], Readonly<Record<string, string>>]>([
  ["a storage that is away", ["registry", "--storage", env.REDIS_URL], {}],
  ["a token with a space", ["registry", "--token", `${first} x`], {}],
  ["a token with a space in the environment", ["registry"], { PLUGBOARD_REGISTRY_TOKEN: `${first} x` }],
  ["credentials in a URL", ["router", "--registry-url", `http://user:${first}@127.0.0.1:1`], {}],
  ["credentials in the URL of a target", ["--target", `http://user:${first}@127.0.0.1:1`], {}],
  ["a header that is none", ["explain", "GET", "/", "-H", `authorization ${first}`, "--target", "x"], {}],
])("a command line with %s is refused unseen", async (_what, args, more) => {
  const project = await createProject();
  const port = ["registry"].includes(args[0] ?? "") ? ["--port", "0", "--bind", "127.0.0.1"] : [];
  const output = createOutput();
  for (const json of [[], ["--json"]]) {
    const printed = await runCommand({ args: [...args, ...port, ...json], env: more, project });
    expect(printed).not.toBe("");
    output.add(args.join(" ").slice(0, 20), printed);
  }
  output.expectNone(canaries);
});
