import OpenAI, { APIError } from "openai";
import { expect, onTestFinished, test } from "vitest";
import { createProxy, definePlugin, type ErrorCode, type Proxy, ProxyError } from "plugboard";
import { type OpenaiErrorsOptions, openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { testErrorShape, testPlugin } from "plugboard/testing";

testPlugin({
  test,
  create: () => openaiErrors({}),
  badOptions: [{ options: { flat: "yes" }, says: "flat" }],
});

testErrorShape({ test, create: () => openaiErrors() });
testErrorShape({
  test: (name, run) => test(`${name} (flat)`, run),
  create: () => openaiErrors({ flat: true }),
});

async function start(code: ErrorCode, options?: OpenaiErrorsOptions): Promise<Proxy> {
  const failing = definePlugin({
    name: "failing",
    setup: () => ({
      request() {
        throw new ProxyError(code, 'It is "bad".');
      },
    }),
  });
  const proxy = await createProxy({ plugins: [failing(), openaiErrors(options)] });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return proxy;
}

async function ask(proxy: Proxy): Promise<unknown> {
  return (await proxy.fetch(new Request("http://proxy/"))).json();
}

test.each<[ErrorCode, string]>([
  ["invalid_json", "invalid_request_error"],
  ["unauthorized", "authentication_error"],
  ["forbidden", "permission_error"],
  ["route_not_found", "invalid_request_error"],
  ["body_too_large", "invalid_request_error"],
  ["rate_limited", "rate_limit_error"],
  ["internal_error", "server_error"],
  ["upstream_reset", "server_error"],
  ["no_targets", "server_error"],
  ["upstream_timeout", "server_error"],
])("%s is told as %s", async (code, type) => {
  const told = await ask(await start(code));
  expect(told).toEqual({
    error: { message: 'It is "bad".', type, param: null, code, request_id: expect.anything() },
  });
});

test.each<ErrorCode>(["model_not_found", "invalid_model", "ambiguous_model"])(
  "%s is about the parameter model",
  async (code) => {
    expect(await ask(await start(code))).toMatchObject({ error: { param: "model" } });
  },
);

test("a flat error is its message", async () => {
  expect(await ask(await start("no_targets", { flat: true }))).toEqual({ error: 'It is "bad".' });
});

test("the openai SDK reads code, type and param", async () => {
  const { url } = await (await start("model_not_found")).listen();
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const error: unknown = await client.models.list().then(undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({
    status: 404,
    code: "model_not_found",
    type: "invalid_request_error",
    param: "model",
  });
});
