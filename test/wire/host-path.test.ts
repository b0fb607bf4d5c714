import { describe, expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { message, ok } from "./messages.ts";
import { errorCode, expectUntouched, openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

const request = (target: string, ...headers: string[]): string => message([`GET ${target} HTTP/1.1`, ...headers]);

describe("Host", () => {
  const wrong: readonly (readonly string[])[] = [
    ["no Host at all"],
    ["the same Host twice", "Host: a", "Host: a"],
    ["two Hosts", "Host: a", "Host: b"],
    ["a list", "Host: a,b"],
    ["an empty Host", "Host:"],
    ["a path", "Host: a/b"],
    ["a query", "Host: a?b"],
    ["a fragment", "Host: a#b"],
    ["userinfo", "Host: u@a"],
    ["userinfo with a password", "Host: u:p@a"],
    ["a space", "Host: a b"],
    ["a backslash", "Host: a\\b"],
    ["a byte over 0x7f", "Host: a\xe9"],
    ["a port that is no number", "Host: a:b"],
    ["two ports", "Host: a:1:2"],
    ["a bracket that is not closed", "Host: [::1"],
    ["more than 255 characters", `Host: ${"a".repeat(256)}`],
  ];

  test.each(wrong)("%s: 400, nothing reaches the upstream", async (_what, ...headers) => {
    const wire = await openWire(answering(ok()));
    const response = await wire.exchange(request("/", ...headers));
    expect(response.status).toBe(400);
    await expectUntouched(wire);
  });

  const right = ["a", "a.test", "a:80", "A.Test:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "a-b.c", "a_b"];

  test.each(right)("%s is a Host", async (host) => {
    const wire = await openWire(answering(ok()));
    expect((await wire.exchange(request("/", `Host: ${host}`))).status).toBe(200);
    expect(wire.upstream.requests[0]?.values("x-forwarded-host")).toEqual([host]);
    expect(wire.upstream.requests[0]?.values("host")).toHaveLength(1);
  });

  test("what the client says of the Host never decides where the request goes", async () => {
    const wire = await openWire([answering(ok("here")), answering(ok("not here"))]);
    const elsewhere = `127.0.0.1:${wire.upstreams[1]?.port}`;
    await wire.exchange(request("/", `Host: ${elsewhere}`));
    await wire.exchange(request("/", `Host: ${elsewhere}`));
    expect(wire.upstreams.map((upstream) => upstream.requests.length)).toEqual([1, 1]);
  });
});

describe("the form of the request target", () => {
  test.each(["http://a/p?q", "http://a:80/p?q", "HTTP://A/p?q"])(
    "absolute form with Host's authority: %s",
    async (target) => {
      const wire = await openWire(answering(ok()));
      const host = target.includes(":80") ? "a:80" : "a";
      expect((await wire.exchange(request(target, `Host: ${host}`))).status).toBe(200);
      expect(wire.upstream.requests[0]?.path).toBe("/p?q");
    },
  );

  test("absolute form without a path asks for /", async () => {
    const wire = await openWire(answering(ok()));
    expect((await wire.exchange(request("http://a", "Host: a"))).status).toBe(200);
    expect(wire.upstream.requests[0]?.path).toBe("/");
  });

  test.each([
    "http://evil/p",
    "http://a:81/p",
    "http://u@a/p",
    "http:///p",
    "x://a/p",
    "ftp://a/p",
    "http:/p",
    "http:p",
    "p",
    "?p",
    "*",
    "a:80",
  ])("%s: 400, nothing reaches the upstream", async (target) => {
    const wire = await openWire(answering(ok()));
    expect((await wire.exchange(request(target, "Host: a"))).status).toBe(400);
    await expectUntouched(wire);
  });

  test.each([
    ["CONNECT", "a:443"],
    ["TRACE", "/"],
    ["TRACK", "/"],
  ])("%s: 405 with Allow, closed, nothing reaches the upstream", async (method, target) => {
    const wire = await openWire(answering(ok()));
    const client = await wire.client();
    await client.send(message([`${method} ${target} HTTP/1.1`, "Host: a:443"]));
    const response = await client.response();
    expect(response.status).toBe(405);
    expect(response.get("allow")).toMatch(/\bGET\b.*\bPOST\b/);
    expect(errorCode(response)).toBe("method_not_allowed");
    await within(client.ending, "the connection closes");
    await expectUntouched(wire);
  });

  test("OPTIONS * is answered here with 204", async () => {
    const wire = await openWire(answering(ok()));
    const response = await wire.exchange(message(["OPTIONS * HTTP/1.1", "Host: a"]), "OPTIONS");
    expect(response).toMatchObject({ status: 204, ending: "complete" });
    await expectUntouched(wire);
  });
});
