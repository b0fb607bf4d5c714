import { describe, expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering, type OpenRequest } from "./evil-upstream.ts";
import { get, ok } from "./messages.ts";
import { openWire, type WireOptions } from "./open-wire.ts";
import { at } from "./waiting.ts";

const spoofed = [
  "X-Forwarded-For: 6.6.6.6",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: evil.test",
  "X-Forwarded-Port: 666",
  "Forwarded: for=6.6.6.6",
  "X-Real-IP: 6.6.6.6",
];

async function forwarded(options: WireOptions, ...headers: string[]): Promise<OpenRequest> {
  const wire = await openWire(answering(ok()), options);
  expect((await wire.exchange(get("/", ...headers))).status).toBe(200);
  return at(wire.upstream.requests);
}

describe("from anyone", () => {
  test("the upstream is told of client, protocol and host", async () => {
    const request = await forwarded({});
    expect(request.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
    expect(request.values("x-forwarded-proto")).toEqual(["http"]);
    expect(request.values("x-forwarded-host")).toEqual(["proxy.test"]);
  });

  test("what the client claims is overwritten", async () => {
    const request = await forwarded({}, ...spoofed);
    expect(request.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
    expect(request.values("x-forwarded-proto")).toEqual(["http"]);
    expect(request.values("x-forwarded-host")).toEqual(["proxy.test"]);
    expect(request.get("x-forwarded-port") ?? "").not.toContain("666");
  });

  test.each(["Forwarded", "X-Real-IP"])("%s is dropped", async (name) => {
    expect((await forwarded({}, ...spoofed)).values(name)).toEqual([]);
  });

  test("claims made twice, and in odd cases, are overwritten too", async () => {
    const request = await forwarded({}, "x-FORWARDED-for: 6.6.6.6", "X-Forwarded-For: 7.7.7.7");
    expect(request.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
  });

  test("a trusted range that does not hold the peer changes nothing", async () => {
    const request = await forwarded({ trustedProxies: ["10.0.0.0/8", "127.0.0.2"] }, ...spoofed);
    expect(request.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
    expect(request.values("forwarded")).toEqual([]);
  });
});

describe.each([[["127.0.0.1/32"]], [["10.0.0.0/8", "127.0.0.0/8"]], [["127.0.0.1"]]])(
  "from the trusted proxies %j",
  (trustedProxies) => {
    test("X-Forwarded-For is added to", async () => {
      const request = await forwarded({ trustedProxies }, ...spoofed);
      expect(request.get("x-forwarded-for")).toBe("6.6.6.6, 127.0.0.1");
    });

    test("protocol and host are believed, Forwarded and X-Real-IP kept", async () => {
      const request = await forwarded({ trustedProxies }, ...spoofed);
      expect(request.get("x-forwarded-proto")).toBe("https");
      expect(request.get("x-forwarded-host")).toBe("evil.test");
      expect(request.get("forwarded")).toContain("for=6.6.6.6");
      expect(request.get("x-real-ip")).toBe("6.6.6.6");
    });
  },
);

/** What plugins take for the client's address. */
async function ipSeen(options: WireOptions, ...headers: string[]): Promise<string | undefined> {
  const seen: (string | undefined)[] = [];
  const plugin = definePlugin({
    name: "ip",
    setup: () => ({ request: (x) => void seen.push(x.ip) }),
  });
  await forwarded({ ...options, plugins: [plugin()] }, ...headers);
  return seen[0];
}

describe("the client's address for plugins", () => {
  test("is the peer's", async () => {
    expect(await ipSeen({}, "X-Forwarded-For: 6.6.6.6")).toBe("127.0.0.1");
  });

  test("is the forwarded one when the peer is trusted", async () => {
    expect(await ipSeen({ trustedProxies: ["127.0.0.1"] }, "X-Forwarded-For: 6.6.6.6")).toBe("6.6.6.6");
  });

  test("is the last one that a trusted proxy did not add itself", async () => {
    const trustedProxies = ["127.0.0.1", "10.0.0.0/8"];
    expect(await ipSeen({ trustedProxies }, "X-Forwarded-For: 1.1.1.1, 6.6.6.6, 10.1.2.3")).toBe("6.6.6.6");
  });
});
