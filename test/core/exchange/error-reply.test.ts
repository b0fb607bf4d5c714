import { type ErrorCode, errorHeaders, errorKinds, ProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { errorReply } from "../../../core/exchange/error-reply.ts";

const codes = Object.keys(errorKinds) as ErrorCode[];

describe.each(codes)("%s", (code) => {
  const secret = "10.1.2.3:8080";
  const error = new ProxyError(code, "In words.", {
    target: `http://${secret}`,
    plugin: "internal-plugin",
    phase: "send",
    cause: new Error(`connect ECONNREFUSED ${secret}`),
  });
  const reply = errorReply({ id: "id-1" }, error);

  test("is told with its status, in JSON that a client can read, and is never cached", () => {
    expect(reply.status).toBe(errorKinds[code].status);
    expect(JSON.parse(String(reply.body))).toEqual({ error: { message: "In words.", code, request_id: "id-1" } });
    expect(reply.headers).toMatchObject({
      "content-type": "application/json",
      "cache-control": "no-store",
      "x-proxy-error": code,
    });
  });

  test("tells nothing of what is behind the proxy", () => {
    expect(JSON.stringify(reply)).not.toMatch(/10\.1\.2\.3|internal-plugin|ECONNREFUSED|at .*\.ts/);
  });

  test("says when to come back if it is about too much, and only then", () => {
    expect(reply.headers?.["retry-after"]).toBe([429, 503].includes(reply.status) ? "1" : undefined);
  });
});

test("405 says what is allowed (RFC 9110 15.5.6)", () => {
  expect(errorHeaders(new ProxyError("method_not_allowed", ""))).toMatchObject({
    allow: expect.stringContaining("GET"),
  });
});

test("a message is data in JSON, whatever it holds", () => {
  const message = `Model '"}]\n\u2028</script>' not found.`;
  const { body } = errorReply({ id: "x" }, new ProxyError("model_not_found", message));
  expect(JSON.parse(String(body))).toMatchObject({ error: { message } });
  expect(String(body)).not.toContain("\n");
});
