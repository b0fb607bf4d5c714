import { describe, expect, test } from "vitest";
import { connectionOptions, headerName } from "../../../core/wire/request-headers.ts";

describe("what becomes of a client's header", () => {
  test.each([
    ["Accept", "forward"],
    ["Cookie", "forward"],
    ["X-User", "forward"],
    ["TE", "te"],
    ["Host", "host"],
    ["Content-Length", "content-length"],
    ["Transfer-Encoding", "transfer-encoding"],
    ["Connection", "connection"],
    ["Upgrade", "upgrade"],
    ["Via", "via"],
    ["Authorization", "single"],
    ["Content-Type", "single"],
    ["X-Request-Id", "request-id"],
    ["X-Forwarded-For", "forwarded"],
    ["X-Forwarded-Proto", "forwarded"],
    ["X-Forwarded-Host", "forwarded"],
    ["X-Forwarded-Port", "forwarded"],
    ["X-Real-IP", "forwarded"],
    ["Forwarded", "forwarded"],
    ["Expect", "drop"],
    ["Keep-Alive", "drop"],
    ["Proxy-Authorization", "drop"],
    ["Proxy-Connection", "drop"],
    ["HTTP2-Settings", "drop"],
    ["X_User", "drop"],
    ["Transfer_Encoding", "drop"],
    ["X-Plugboard-Target", "drop"],
  ])("%s: %s", (name, use) => {
    expect(headerName(name)).toEqual({ name: name.toLowerCase(), use });
  });

  test.each(["hOsT", "HOST", "host"])("is the same in any case: %s", (name) => {
    expect(headerName(name)).toEqual({ name: "host", use: "host" });
  });

  test.each(["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf"])(
    "%s is a name like others",
    (name) => {
      expect(["forward", "drop"]).toContain(headerName(name).use);
      expect(headerName(name).name).toBe(name.toLowerCase());
    },
  );

  test("is right for more names than are remembered", () => {
    for (let i = 0; i < 3_000; i++) expect(headerName(`X-Many-${i}`)).toEqual({ name: `x-many-${i}`, use: "forward" });
    expect(headerName("X-Many_1").use).toBe("drop");
    expect(headerName("HOST").use).toBe("host");
  });
});

describe("the names that a Connection header takes away", () => {
  test.each(["close", "keep-alive", "Keep-Alive", "CLOSE", "Upgrade", "keep-alive, close", "", ",", " , "])(
    "%j: none that is a header",
    (value) => {
      const named = [...(connectionOptions(value) ?? [])].filter((name) => name !== "upgrade");
      expect(named).toEqual([]);
    },
  );

  test("are in lower case, without what is around them", () => {
    expect(connectionOptions("X-A,x-b ,\tX-C, close")).toEqual(new Set(["x-a", "x-b", "x-c"]));
  });

  test.each(["authorization", "content-type", "content-encoding", "cookie", "accept", "idempotency-key"])(
    "are never %s: the request would mean something else",
    (name) => {
      expect(connectionOptions(`${name.toUpperCase()}, x-a`)).toEqual(new Set(["x-a"]));
      expect(connectionOptions(name)).toBeUndefined();
    },
  );
});
