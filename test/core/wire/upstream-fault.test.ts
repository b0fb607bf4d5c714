import { type ErrorCode, ProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { shortages } from "../../../core/wire/descriptors.ts";
import { connectFault, responseFault } from "../../../core/wire/upstream-fault.ts";

const failure = (code: string, message = "secret 10.1.2.3"): Error => Object.assign(new Error(message), { code });

describe("a connection that did not come about", () => {
  test.each<[string, ErrorCode, number, string]>([
    ["ECONNREFUSED", "connect_failed", 502, "UF"],
    ["EHOSTUNREACH", "connect_failed", 502, "UF"],
    ["ENETUNREACH", "connect_failed", 502, "UF"],
    ["ECONNRESET", "connect_failed", 502, "UF"],
    ["UND_ERR_SOCKET", "connect_failed", 502, "UF"],
    ["ENOTFOUND", "dns_error", 502, "UF"],
    ["EAI_AGAIN", "dns_error", 502, "UF"],
    ["EAI_FAIL", "dns_error", 502, "UF"],
    ["UND_ERR_CONNECT_TIMEOUT", "connect_timeout", 504, "UF"],
    ["ETIMEDOUT", "connect_timeout", 504, "UF"],
    ["EMFILE", "overloaded", 503, "OM"],
    ["ENFILE", "overloaded", 503, "OM"],
    ["EADDRNOTAVAIL", "overloaded", 503, "OM"],
    ["ENOBUFS", "overloaded", 503, "OM"],
    ["CERT_HAS_EXPIRED", "tls_error", 502, "UF"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls_error", 502, "UF"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "tls_error", 502, "UF"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_error", 502, "UF"],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "tls_error", 502, "UF"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls_error", 502, "UF"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "tls_error", 502, "UF"],
    ["UND_ERR_INVALID_ARG", "internal_error", 500, "-"],
    ["", "connect_failed", 502, "UF"],
  ])("by %s is %s", (code, expected, status, flag) => {
    expect(connectFault(failure(code), "t")).toMatchObject({
      code: expected,
      status,
      flag,
      target: "t",
      phase: "connect",
    });
  });

  test("is told by the code of its cause when it has none of its own", () => {
    const error = new Error("failed", { cause: failure("ENOTFOUND") });
    expect(connectFault(error, "t").code).toBe("dns_error");
  });

  test("on all addresses of a name is told as one", () => {
    const error = Object.assign(new AggregateError([failure("ECONNREFUSED"), failure("ECONNREFUSED")]), {
      code: "ECONNREFUSED",
    });
    expect(connectFault(error, "t").code).toBe("connect_failed");
  });

  test("on an address that this machine does not have is told by what the other addresses said", () => {
    const of = (...codes: string[]): Error =>
      Object.assign(new AggregateError(codes.map((code) => failure(code))), { code: codes[0] });
    expect(connectFault(of("EADDRNOTAVAIL", "ECONNREFUSED"), "t").code).toBe("connect_failed");
    expect(connectFault(of("EADDRNOTAVAIL", "EADDRNOTAVAIL"), "t").code).toBe("overloaded");
  });

  test("for want of something here is counted, with what it was", () => {
    const before = shortages.count;
    connectFault(failure("EADDRNOTAVAIL"), "t");
    connectFault(failure("ECONNREFUSED"), "t");
    expect(shortages).toEqual({ count: before + 1, last: "EADDRNOTAVAIL" });
  });

  test("may be repeated: nothing was sent", () => {
    expect(connectFault(failure("ECONNREFUSED"), "t").retryable).toBe(true);
  });
});

describe("a response that broke", () => {
  const parser = Object.assign(new Error("Expected HTTP/"), { name: "HTTPParserError", code: "HPE_INVALID_CONSTANT" });

  test.each<[string, Error, ErrorCode, ErrorCode]>([
    ["a reset", failure("ECONNRESET"), "upstream_reset", "upstream_reset"],
    ["a closed socket", failure("UND_ERR_SOCKET"), "upstream_reset", "upstream_reset"],
    ["what is no HTTP", parser, "upstream_protocol", "upstream_protocol"],
    ["a head that is too large", failure("UND_ERR_HEADERS_OVERFLOW"), "upstream_protocol", "upstream_protocol"],
    [
      "a length that is not kept",
      failure("UND_ERR_RES_CONTENT_LENGTH_MISMATCH"),
      "upstream_protocol",
      "upstream_reset",
    ],
    ["an upgrade nobody asked for", failure("UND_ERR_SOCKET", "bad upgrade"), "upstream_protocol", "upstream_protocol"],
    ["a response that cannot be", failure("UND_ERR_SOCKET", "bad response"), "upstream_protocol", "upstream_protocol"],
  ])("by %s", (_what, error, before, after) => {
    expect(responseFault(error, "t", false)).toMatchObject({ code: before, phase: "send", retryable: true });
    expect(responseFault(error, "t", true)).toMatchObject({ code: after, phase: "relay", retryable: false });
  });
});

describe.each([
  ["connectFault", (error: Error) => connectFault(error, "t")],
  ["responseFault", (error: Error) => responseFault(error, "t", false)],
])("%s", (_what, toFault) => {
  test("keeps the cause to itself", () => {
    const cause = failure("ECONNREFUSED");
    expect(toFault(cause)).toMatchObject({ cause, source: "upstream" });
    expect(toFault(cause).message).not.toContain("10.1.2.3");
  });
});

test("an error that is meant stays what it is", () => {
  const meant = new ProxyError("overloaded", "Full.");
  expect(connectFault(meant, "t")).toBe(meant);
});
