import { type ErrorCode, errorKinds, isProxyError, ProxyError } from "plugboard";
import { describe, expect, test } from "vitest";

const codes = Object.entries(errorKinds);

describe("the table of errors", () => {
  test.each(codes)("%s has a status, a source and a flag that go together", (_code, { status, source, flag }) => {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThanOrEqual(599);
    expect(flag).toMatch(/^(?:-|[A-Z]{2,4})$/);
    if (source === "client") expect(status === 505 || status < 500).toBe(true);
    else expect(status).toBeGreaterThanOrEqual(500);
  });

  test("only what an upstream did is 502 or 504, and what the proxy wanted of several for one request", () => {
    const ofSeveral = new Set(["total_timeout", "prefill_failed"]);
    const gateway = codes
      .filter(([code, { status }]) => (status === 502 || status === 504) && !ofSeveral.has(code))
      .map(([, { source }]) => source);
    expect(new Set(gateway)).toEqual(new Set(["upstream"]));
  });
});

describe("a ProxyError", () => {
  test("knows what its code stands for", () => {
    const cause = new Error("refused");
    const error = new ProxyError("connect_failed", "In words.", {
      phase: "connect",
      retryable: true,
      target: "t",
      cause,
    });
    expect(error).toMatchObject({
      name: "ProxyError",
      message: "In words.",
      code: "connect_failed",
      status: 502,
      source: "upstream",
      flag: "UF",
      phase: "connect",
      retryable: true,
      target: "t",
      plugin: undefined,
      cause,
    });
  });

  test("says nothing that nobody told it", () => {
    const error = new ProxyError("no_targets", "None.");
    expect(error).toMatchObject({ phase: "", retryable: false, plugin: undefined, target: undefined });
    expect("cause" in error).toBe(false);
  });

  test("is known by name and code, also when another copy of this package made it", () => {
    const copy = Object.assign(new Error("x"), { name: "ProxyError", code: "no_targets" satisfies ErrorCode });
    expect(isProxyError(copy)).toBe(true);
    expect(isProxyError(new ProxyError("no_targets", "x"))).toBe(true);
  });

  test.each([
    undefined,
    null,
    "ProxyError",
    new Error("x"),
    { name: "ProxyError", code: "no_targets" },
    Object.assign(new Error("x"), { name: "ProxyError" }),
  ])("is not %s", (value) => {
    expect(isProxyError(value)).toBe(false);
  });
});
