import type { IncomingHttpHeaders } from "node:http";
import { createProxy } from "plugboard";
import { staticTargets } from "plugboard/plugins";
import { expect, test } from "vitest";
import config, { apiKeys } from "../../examples/custom-plugin.ts";
import { openConfig, openProxy } from "../e2e/open-proxy.ts";
import { openUpstream } from "../e2e/open-upstream.ts";

test("a request with a key is answered", async () => {
  const { url } = await openConfig(config);
  const response = await fetch(`${url}/v1/models`, { headers: { authorization: "Bearer secret" } });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ object: "list" });
});

test("a request without a key, or with another, is refused", async () => {
  const { url } = await openConfig(config);
  for (const authorization of ["", "Bearer guess", "secret", "Basic Bearer secret"]) {
    const headers = { authorization };
    const response = await fetch(`${url}/v1/models`, { headers });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { type: "authentication_error" } });
  }
});

test("the upstream is told the name and not the key", async () => {
  let received: IncomingHttpHeaders = {};
  const upstream = await openUpstream((req, res) => {
    received = req.headers;
    res.end();
  });
  const plugins = [staticTargets({ targets: [upstream] }), apiKeys({ keys: { abc: "alice" } })];
  const { url } = await openProxy(plugins);
  await (await fetch(url, { headers: { authorization: "Bearer abc" } })).text();
  expect(received).toMatchObject({ "x-user": "alice" });
  expect(received).not.toHaveProperty("authorization");
});

test("its options are checked at start", async () => {
  const misspelt = { key: { abc: "alice" } };
  // @ts-expect-error -- what the compiler refuses, a JavaScript config would still do
  const plugins = [apiKeys(misspelt)];
  await expect(createProxy({ plugins })).rejects.toThrow(/api-keys.*key/);
});
