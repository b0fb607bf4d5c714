import { createProxy, env, type Plugin } from "plugboard";
import { openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { alias } from "plugboard/plugins/resolve/alias";
import { direct } from "plugboard/plugins/resolve/direct";
import { model } from "plugboard/plugins/resolve/model";
import { type Provider, providers } from "plugboard/plugins/resolve/providers";
import { inOrder } from "plugboard/plugins/select/in-order";
import { accessLog } from "plugboard/plugins/stats/access-log";
import { explain } from "plugboard/plugins/stats/explain";
import { models } from "plugboard/plugins/stats/models";
import { stats } from "plugboard/plugins/stats/stats";
import { afterEach, expect, test, vi } from "vitest";
import { keptLog } from "../../core/kept-log.ts";
import { closedUrl } from "../../wire/closed-port.ts";
import { openStage, openUpstream } from "./_provider-stage.ts";

const canary = "sk-canary-0123456789";

afterEach(() => vi.unstubAllEnvs());

const start = (provider: unknown): Promise<string> =>
  createProxy({ plugins: [providers({ p: provider as Provider })] }).then(
    (proxy) => proxy.close().then(() => "started"),
    (error: unknown) => String(error),
  );

test("an environment variable that is not set is reported with its option, and not as a value of a wrong type", async () => {
  vi.stubEnv("PLUGBOARD_TEST_KEY", undefined);
  const said = await start({ url: "https://x.example.com", auth: { key: env("PLUGBOARD_TEST_KEY") } });
  expect(said).toContain("plugins[0] providers: p.auth.key: the environment variable PLUGBOARD_TEST_KEY is not set");
  expect(said).toContain("export PLUGBOARD_TEST_KEY=...");
  expect(said).not.toContain("Expected string");
});

test("the key is taken from the environment", async () => {
  vi.stubEnv("PLUGBOARD_TEST_KEY", canary);
  const { url, seen } = await openUpstream();
  const { send } = await openStage([providers({ p: { url, auth: { key: env("PLUGBOARD_TEST_KEY") } } })]);
  await send("/v1/models");
  expect(seen[0]?.headers.authorization).toBe(`Bearer ${canary}`);
});

test.each<[string, unknown]>([
  ["with a line end", { url: "https://x.example.com", auth: { key: `${canary}\n` } }],
  ["beside an unknown option", { url: "https://x.example.com", auth: { key: canary, tpye: "bearer" } }],
  ["beside a wrong type", { url: "https://x.example.com", auth: { key: canary, type: "basic" } }],
  ["of a provider without a URL", { auth: { key: canary } }],
  ["of a provider that is a list", [{ auth: { key: canary } }]],
  ["in the URL", { url: `https://user:${canary}@x.example.com` }],
  ["as an unknown option", { url: "https://x.example.com", apiKey: canary }],
])("no error of the config shows a key %s", async (_, provider) => {
  const said = await start(provider);
  expect(said).toContain("ConfigError");
  expect(said).not.toContain("canary");
});

test("no answer, explanation, statistic or log line shows a key", async () => {
  const { log, lines } = keptLog();
  const write = (line: string): void => void (lines as string[]).push(line);
  const fails = await openUpstream((res) => void res.destroy());
  const works = await openUpstream();
  const auth = { key: canary };
  const plugins: Plugin[] = [
    providers({
      refuses: { url: await closedUrl(), auth, models: ["m", "refused"] },
      fails: { url: fails.url, auth: { ...auth, type: "x-api-key" }, models: ["m", "failed"] },
      works: { url: works.url, auth: { ...auth, type: "x-goog-api-key" }, models: ["m"], price: 1 },
      off: { url: "https://off.example.com", auth: { ...auth, type: "api-key" }, models: ["n"], enabled: false },
    }),
    alias({ fast: { targets: [{ model: "m" }] }, off: { targets: [{ model: "n" }] } }),
    direct(),
    model(),
    inOrder(),
    stats(),
    explain(),
    models(),
    openaiErrors(),
    accessLog({ format: "json", write }),
  ];
  const proxy = await createProxy({ plugins, retry: { nonIdempotent: true } }, { log });
  const { url } = await proxy.listen();
  const said: string[] = [];
  const get = async (path: string, init?: RequestInit): Promise<void> => {
    const response = await fetch(url + path, init);
    said.push(JSON.stringify([...response.headers]), await response.text());
  };
  for (const name of ["fast", "m", "refused", "failed", "off", "direct/off/n", "direct/works/x", "works/m", "none"]) {
    const body = JSON.stringify({ model: name });
    await get("/v1/chat/completions", { method: "POST", body, headers: { "content-type": "application/json" } });
    await get(`/explain?model=${encodeURIComponent(name)}`);
    said.push(JSON.stringify(await proxy.explain({ body })));
  }
  for (const path of ["/services", "/stats", "/health", "/ready", "/v1/models"]) await get(path);
  said.push(JSON.stringify(proxy.status()), JSON.stringify(proxy.pools().map(({ snapshot }) => snapshot)));
  await proxy.close();
  expect(works.seen.length).toBeGreaterThan(0);
  expect(lines.length).toBeGreaterThan(0);
  expect(said.join("\n")).toContain("x-goog-api-key");
  expect(said.join("\n")).not.toContain("canary");
  expect(lines.join("\n")).not.toContain("canary");
});

test.each([
  ["with a key of its own: they reach no client", { auth: { key: canary } }, undefined],
  ["that takes the client's: they pass", {}, ["session=1; Path=/", "b=2"]],
])("cookies that a provider sets, one %s", async (_what, more, expected) => {
  const { url } = await openUpstream((res) => void res.setHeader("set-cookie", ["session=1; Path=/", "b=2"]).end("{}"));
  const { send } = await openStage([providers({ p: { url, ...more } })]);
  expect((await send("/v1/models")).headers["set-cookie"]).toEqual(expected);
});

test("explain shows the body that is sent on, but no secret that a provider's fields put into it", async () => {
  vi.stubEnv("TENANT_TOKEN", "tenant-canary-42");
  const { url } = await openUpstream();
  const extraBody = { tenant: env("TENANT_TOKEN"), note: "see http://127.0.0.1/?a=b" };
  const { proxy } = await openStage([model(), providers({ p: { url, models: ["m"], extraBody } })]);
  const { upstream } = await proxy.explain({ path: "/v1/chat/completions", body: '{"model":"m"}' });
  expect(JSON.parse(upstream?.body ?? "")).toEqual({ model: "m", tenant: "***", note: "see http://127.0.0.1/?a=b" });
});
