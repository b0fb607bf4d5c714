import { expect, test } from "vitest";
import { createBase } from "../../../plugins/resolve/_provider-path.ts";

test.each([
  ["https://api.openai.com", "", "/v1/chat/completions", "/v1/chat/completions"],
  ["a base path of its own", "/openai", "/v1/chat/completions", "/openai/v1/chat/completions"],
  ["the version that clients begin with", "/v1", "/v1/chat/completions", "/v1/chat/completions"],
  ["a base path that ends in it", "/api/v1", "/v1/chat/completions", "/api/v1/chat/completions"],
  ["another version", "/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"],
  ["Gemini's way to speak OpenAI's API", "/v1beta/openai", "/v1/chat/completions", "/v1beta/openai/chat/completions"],
  ["a version that the client gives too", "/v1beta", "/v1beta/models/m:x", "/v1beta/models/m:x"],
  ["the version alone", "/v1", "/v1", "/v1"],
  ["a query right behind the version", "/v1", "/v1?a=/v1/", "/v1?a=/v1/"],
  ["a version twice in the client's path", "/v1", "/v1/v1/x", "/v1/v1/x"],
  ["a path without a version", "/v1", "/chat/completions", "/v1/chat/completions"],
  ["a newer version than the base's", "/v1", "/v2/chat", "/v1/v2/chat"],
  ["a name that begins like the version", "/v1", "/v1x/chat", "/v1/v1x/chat"],
  ["a base that ends in no version", "/v1/accounts", "/v1/chat", "/v1/accounts/v1/chat"],
  ["a base that ends in a word like one", "/dev1", "/v1/chat", "/dev1/v1/chat"],
])("%s: %j and %s make %s", (_, base, path, joined) => {
  expect(createBase(base)(path)).toBe(joined);
});
