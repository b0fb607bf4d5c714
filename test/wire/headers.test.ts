import { describe, expect, test } from "vitest";
import { answering, type OpenRequest } from "./evil-upstream.ts";
import { get, message, ok, post } from "./messages.ts";
import { errorCode, expectUntouched, openWire } from "./open-wire.ts";
import { at } from "./waiting.ts";

/** What the upstream gets of a GET with these headers. */
async function forwarded(...headers: string[]): Promise<OpenRequest> {
  const wire = await openWire(answering(ok()));
  expect((await wire.exchange(get("/", ...headers))).status).toBe(200);
  return at(wire.upstream.requests);
}

const hopByHop = [
  "Keep-Alive",
  "Proxy-Connection",
  "Proxy-Authenticate",
  "Proxy-Authorization",
  "HTTP2-Settings",
  "X-Listed",
  "X-Listed-Too",
];
const connection = "Connection: keep-alive, X-Listed,x-listed-too";

describe("hop-by-hop", () => {
  test.each(hopByHop)("%s of a request stops here", async (name) => {
    const request = await forwarded(`${name}: a`, connection);
    expect(request.values(name)).toEqual([]);
    expect(request.get("connection") ?? "").not.toMatch(/listed/i);
  });

  test.each([...hopByHop, "Alt-Svc"])("%s of a response stops here", async (name) => {
    const wire = await openWire(answering(ok("", `${name}: evil`, connection)));
    const response = await wire.exchange(get("/"));
    expect(response.values(name).join()).not.toContain("evil");
    expect(response.get("connection") ?? "").not.toMatch(/listed/i);
  });

  test("Upgrade without a Connection that names it stops here", async () => {
    expect((await forwarded("Upgrade: websocket")).get("upgrade")).toBeUndefined();
  });

  test("TE keeps trailers and nothing else", async () => {
    expect((await forwarded("TE: gzip;q=0.5, trailers", "Connection: TE")).get("te")).toBe("trailers");
    expect((await forwarded("TE: gzip", "Connection: TE")).get("te")).toBeUndefined();
  });

  test.each([
    ["authorization", "Authorization: Bearer a", "Bearer a"],
    ["via", "Via: 1.0 a", "1.0 a, 1.1 plugboard"],
    ["x-forwarded-for", "X-A: 1", "127.0.0.1"],
    ["x-forwarded-proto", "X-A: 1", "http"],
    ["x-forwarded-host", "X-A: 1", "proxy.test"],
  ])("naming %s in Connection does not remove it", async (name, header, value) => {
    expect((await forwarded(header, `Connection: ${name}`)).get(name)).toBe(value);
  });

  test("naming Host, Content-Length and Content-Type in Connection does not remove them", async () => {
    const wire = await openWire(answering(ok()));
    await wire.exchange(
      post("/", "hello", "Content-Type: text/plain", "Connection: host, content-length, content-type"),
    );
    const [request] = wire.upstream.requests;
    expect(request?.values("host")).toHaveLength(1);
    expect(request?.get("content-length")).toBe("5");
    expect(request?.get("content-type")).toBe("text/plain");
  });
});

describe("requests", () => {
  test("Via is added", async () => {
    expect((await forwarded()).get("via")).toBe("1.1 plugboard");
  });

  test.each(["X_User", "Transfer_Encoding", "Content_Length", "_"])(
    "%s is dropped: some upstreams read _ as -",
    async (name) => {
      const request = await forwarded(`${name}: a`);
      expect(request.values(name)).toEqual([]);
      expect(request.values(name.replaceAll("_", "-"))).toEqual([]);
    },
  );

  test.each(["Authorization", "Content-Type", "Host", "Content-Length"])(
    "two %s: 400, nothing reaches the upstream",
    async (name) => {
      const wire = await openWire(answering(ok()));
      const value = name === "Content-Length" ? "0" : "a";
      const response = await wire.exchange(
        message(["GET / HTTP/1.1", "Host: a", `${name}: ${value}`, `${name}: ${value}`]),
      );
      expect(response.status).toBe(400);
      await expectUntouched(wire);
    },
  );

  test("what plugins tell each other in headers cannot come from outside", async () => {
    const request = await forwarded("X-Plugboard-Target: evil");
    expect(request.get("x-plugboard-target")).toBeUndefined();
  });

  test("a request id is believed from a trusted proxy only", async () => {
    expect((await forwarded("X-Request-Id: spoofed")).get("x-request-id")).not.toBe("spoofed");
    const wire = await openWire(answering(ok()), { trustedProxies: ["127.0.0.1"] });
    await wire.exchange(get("/", "X-Request-Id: known"));
    expect(wire.upstream.requests[0]?.get("x-request-id")).toBe("known");
  });

  test("repeated headers keep their number and order", async () => {
    const request = await forwarded("X-A: 1", "X-B: b", "x-a: 2", "X-A: 1");
    expect(request.values("x-a")).toEqual(["1", "2", "1"]);
  });

  test.each(["__proto__", "constructor", "hasOwnProperty", "toString"])(
    "a header named %s harms nothing",
    async (name) => {
      const wire = await openWire(answering(ok()));
      const client = await wire.client();
      await client.send(get("/", `${name}: polluted`));
      const { status } = await client.response();
      expect([200, 400]).toContain(status);
      if (status === 200 && name !== "__proto__") expect(wire.upstream.requests[0]?.values(name)).toEqual(["polluted"]);
      expect(Object.prototype).not.toHaveProperty("polluted");
      expect((await wire.exchange(get("/"))).status).toBe(200);
    },
  );

  test.each([
    ["latin1", "caf\xe9"],
    ["UTF-8", Buffer.from("café €").toString("latin1")],
    ["a tab inside", "a\tb"],
    [
      "every other byte that is allowed",
      Buffer.from(Array.from({ length: 94 }, (_, index) => index + 0x21)).toString("latin1"),
    ],
  ])("%s in a value arrives as the same bytes, both ways", async (_what, value) => {
    const wire = await openWire(answering(ok("", `X-Back: ${value}`)));
    const response = await wire.exchange(get("/", `X-There: ${value}`));
    expect(wire.upstream.requests[0]?.get("x-there")).toBe(value);
    expect(response.get("x-back")).toBe(value);
  });

  test("an empty value stays", async () => {
    expect((await forwarded("X-Empty:")).values("x-empty")).toEqual([""]);
  });

  test("nothing is made up: no user-agent, accept, accept-language or sec-fetch headers", async () => {
    const names = (await forwarded()).headers.map(([name]) => name.toLowerCase());
    expect(names.filter((name) => /^(user-agent|accept|sec-)/.test(name))).toEqual([]);
  });
});

describe("responses", () => {
  test("Via is added", async () => {
    const wire = await openWire(answering(ok("", "Via: 1.1 a")));
    expect((await wire.exchange(get("/"))).get("via")).toBe("1.1 a, 1.1 plugboard");
  });

  test("repeated headers keep their number and order", async () => {
    const wire = await openWire(answering(ok("", "Set-Cookie: a=1", "X-A: 1", "Set-Cookie: b=2", "X-A: 2")));
    const response = await wire.exchange(get("/"));
    expect(response.values("set-cookie")).toEqual(["a=1", "b=2"]);
    expect(response.values("x-a")).toEqual(["1", "2"]);
  });

  test("the upstream's Date, Server and cache headers are kept, once each", async () => {
    const kept = [
      "Date: Thu, 01 Jan 1970 00:00:00 GMT",
      "Server: evil",
      "Cache-Control: no-transform",
      "X-Accel-Buffering: no",
      "ETag: W/a",
    ];
    const wire = await openWire(answering(ok("", ...kept)));
    const response = await wire.exchange(get("/"));
    for (const [name = "", value] of kept.map((line) => line.split(": ")))
      expect(response.values(name)).toEqual([value]);
  });

  test("a reason phrase that the upstream made up does no harm", async () => {
    const wire = await openWire(answering(message(["HTTP/1.1 200 Caf\xe9 <b>", "Content-Length: 0"])));
    expect(await wire.exchange(get("/"))).toMatchObject({ status: 200, ending: "complete" });
  });
});

describe("too much of it", () => {
  test("201 header lines: 431, nothing reaches the upstream", async () => {
    const wire = await openWire(answering(ok()));
    const response = await wire.exchange(get("/", ...Array.from({ length: 200 }, (_, index) => `X-${index}: a`)));
    expect(response).toMatchObject({ status: 431, ending: "complete" });
    expect(errorCode(response)).toBe("headers_too_large");
    await expectUntouched(wire);
  });

  test("200 header lines all arrive", async () => {
    const request = await forwarded(...Array.from({ length: 199 }, (_, index) => `X-${index}: a`));
    expect(request.headers.filter(([name]) => /^x-\d+$/i.test(name))).toHaveLength(199);
  });

  test.each([40_000, 1_000_000])("a head of %i bytes: 431 is delivered, nothing reaches the upstream", async (size) => {
    const wire = await openWire(answering(ok()));
    const response = await wire.exchange(get("/", `X-Big: ${"a".repeat(size)}`));
    expect(response).toMatchObject({ status: 431, ending: "complete" });
    expect(errorCode(response)).toBe("headers_too_large");
    await expectUntouched(wire);
  });
});
