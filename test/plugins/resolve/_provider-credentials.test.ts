import type { UpstreamRequest } from "plugboard";
import { expect, test } from "vitest";
import { createCredentials } from "../../../plugins/resolve/_provider-credentials.ts";
import type { ProviderAuth } from "../../../plugins/resolve/_provider-options.ts";

function sent(auth: ProviderAuth, path: string, headers: UpstreamRequest["headers"] = {}): UpstreamRequest {
  const upstream: UpstreamRequest = { method: "POST", path, headers: { ...headers }, body: null };
  createCredentials(auth)(upstream);
  return upstream;
}

test.each<[ProviderAuth["type"], string, string]>([
  [undefined, "authorization", "Bearer own"],
  ["bearer", "authorization", "Bearer own"],
  ["x-api-key", "x-api-key", "own"],
  ["x-goog-api-key", "x-goog-api-key", "own"],
  ["api-key", "api-key", "own"],
])("%s puts the key into %s, in place of all that the client sent", (type, name, value) => {
  const headers = {
    authorization: "Bearer client",
    "proxy-authorization": "Basic client",
    "x-api-key": ["client", "client-2"],
    "api-key": "client",
    "x-goog-api-key": "client",
    cookie: "session=client",
    accept: "*/*",
  };
  expect(sent({ type, key: "own" }, "/v1", headers).headers).toEqual({ accept: "*/*", [name]: value });
});

test.each([
  ["/p?key=secret", "/p"],
  ["/p?key=secret&a=1", "/p?a=1"],
  ["/p?a=1&API_KEY=secret&b=%2F&key=2", "/p?a=1&b=%2F"],
  ["/p?api-key=secret&apikey=secret&access_token=secret&alt=sse", "/p?alt=sse"],
  ["/p?%6bey=secret&a", "/p?a"],
  ["/p?key", "/p"],
  ["/p?keys=1&monkey=2&a=key", "/p?keys=1&monkey=2&a=key"],
  ["/p?%zz=1&&a", "/p?%zz=1&&a"],
  ["/p?", "/p?"],
  ["/p", "/p"],
])("the query of %s becomes %s", (path, left) => {
  expect(sent({ key: "own" }, path).path).toBe(left);
});

test.each([
  ["realtime, openai-insecure-api-key.secret, openai-beta.realtime-v1", "realtime, openai-beta.realtime-v1"],
  ["openai-insecure-api-key.secret", undefined],
  ["graphql-ws,chat", "graphql-ws,chat"],
])("the subprotocols %s become %s", (protocols, left) => {
  const { headers } = sent({ key: "own" }, "/v1/realtime", { "sec-websocket-protocol": protocols });
  expect(headers["sec-websocket-protocol"]).toBe(left);
});
