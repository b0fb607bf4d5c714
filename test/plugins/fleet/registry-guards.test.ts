import { once } from "node:events";
import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { service, startRegistry } from "./registry-rig.ts";

const id = (leaseId: string): Record<string, string> => ({ "x-lease-id": leaseId });

describe("what is sent", () => {
  test.each(["name", "host", "port", "hostname", "url", "status"])("is 422 without %s", async (field) => {
    const { call } = await startRegistry();
    const { [field as "name"]: _, ...rest } = service;
    expect(await call("POST", "/services", rest)).toMatchObject({
      status: 422,
      body: { error: `Missing required field: ${field}` },
    });
  });

  test.each([
    ["name", ""],
    ["name", "-a"],
    ["name", "a/b"],
    ["name", "__proto__"],
    ["name", "a\r\nb"],
    ["name", "x".repeat(129)],
    ["name", 1],
    ["host", ""],
    ["host", null],
    ["port", 0],
    ["port", -1],
    ["port", 65_536],
    ["port", 80.5],
    ["port", "80"],
    ["hostname", ["a"]],
    ["status", {}],
    ["status", "x".repeat(65)],
    ["metadata", null],
    ["metadata", []],
    ["metadata", "m"],
    ["weight", -1],
    ["weight", 1e308],
    ["weight", 1_000_001],
    ["weight", null],
    ["weight", "1"],
    ["lease", 0],
    ["lease", 86_401],
    ["lease", "120"],
    ["lease_id", "short"],
    ["lease_id", "x".repeat(129)],
    ["lease_id", "with a space"],
    ["lease_id", 12_345_678],
  ])("is 422 with the %s %j, naming it", async (field, value) => {
    const { register, call } = await startRegistry();
    const { status, body } = await register({ [field]: value });
    expect(status).toBe(422);
    expect(body["error"]).toContain(field);
    expect((await call("GET", "/services")).body).toMatchObject({ total: 0 });
  });

  test.each(["NaN", "Infinity", "-1e999", "1e999"])("is no weight of %s", async (weight) => {
    const { call } = await startRegistry();
    const text = JSON.stringify(service).replace("}", `,"weight":${weight}}`);
    expect([400, 422]).toContain((await call("POST", "/services", text)).status);
  });

  test.each(["", "{", "{} {}", "nope", '{"name":}', "\u0000"])("is 400 if it is %j", async (text) => {
    const { call } = await startRegistry();
    expect((await call("POST", "/services", text)).status).toBe(400);
    expect((await call("PUT", "/services/a", text)).status).toBe(400);
  });

  test.each(["[]", "1", "null", '"a"'])("is 422 if it is %s", async (text) => {
    const { call } = await startRegistry();
    expect((await call("POST", "/services", text)).status).toBe(422);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])(
    "is 415 if it is %s",
    async (type) => {
      const { register, call } = await startRegistry();
      expect((await register({}, { "content-type": type })).status).toBe(415);
      expect((await call("PUT", "/services/a", {}, { "content-type": type })).status).toBe(415);
    },
  );

  test("is 415 without a type, which a page in a browser could send", async () => {
    const { proxy } = await startRegistry();
    const body = new Blob([JSON.stringify(service)]);
    expect((await proxy.fetch(new Request("http://proxy/services", { method: "POST", body }))).status).toBe(415);
  });

  test("is 413 if it is too large, and the connection is of use still", async () => {
    const { register, call } = await startRegistry({ limits: { body: 1_000 } });
    const { status, body } = await register({ metadata: { text: "x".repeat(5_000) } });
    expect(status).toBe(413);
    expect(body["error"]).toContain("1000 bytes");
    expect((await register()).status).toBe(201);
    expect((await call("POST", "/services/a/heartbeat", { status: "x".repeat(5_000) })).status).toBe(413);
  });

  test("is 413 if its length is not told, and ends the connection if it goes on for ever", async () => {
    const { url } = await startRegistry({ limits: { body: 1_000 } });
    const headers = { "content-type": "application/json" };
    const sent = request(`${url}/services`, { method: "POST", headers });
    sent.on("error", () => {}); // It is cut off in the middle, which is what is waited for.
    const closed = new Promise((resolve) => void sent.on("close", resolve));
    const answered = once(sent, "response") as Promise<[{ statusCode: number; resume(): void }]>;
    const more = (error?: Error | null): void => {
      if (!error && !sent.destroyed) sent.write("x".repeat(1_000), more);
    };
    more();
    const [response] = await answered;
    response.resume();
    expect(response.statusCode).toBe(413);
    await closed;
  });

  test("is 422 if it is too deep to be written again", async () => {
    const { call } = await startRegistry();
    const nested = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const sent = (levels: number): string =>
      JSON.stringify(service).replace("}", `,"metadata":{"deep":${nested(levels)}}}`);
    for (const levels of [20_000, 64]) expect((await call("POST", "/services", sent(levels))).status).toBe(422);
    expect((await call("POST", "/services", sent(63))).status).toBe(201);
    expect((await call("GET", "/services")).body).toMatchObject({ total: 1 });
  });

  test("may hold what is called __proto__", async () => {
    const { register, url } = await startRegistry();
    await register({ name: "b", metadata: JSON.parse('{"__proto__":{"polluted":true}}') as object });
    const raw = await (await fetch(`${url}/services/b`)).text();
    expect(raw).toContain('"metadata":{"__proto__":{"polluted":true}}');
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("who may write", () => {
  const writes = [
    ["POST", "/services", service],
    ["PUT", "/services/a", { port: 8002 }],
    ["POST", "/services/a/heartbeat", undefined],
    ["DELETE", "/services/a", undefined],
  ] as const;

  test("with a token everyone needs it", async () => {
    const { call } = await startRegistry({ token: "0123456789abcdef" });
    for (const [method, path, body] of writes) {
      for (const authorization of ["", "Bearer", "Bearer 0123456789abcdeF", "Basic 0123456789abcdef"]) {
        const refused = await call(method, path, body, { authorization });
        expect(refused.status).toBe(401);
        expect(refused.headers.get("www-authenticate")).toBe("Bearer");
        expect(JSON.stringify(refused.body)).not.toContain("0123");
      }
      const taken = await call(method, path, body, { authorization: "Bearer 0123456789abcdef" });
      expect(taken.status).toBeLessThan(300);
    }
  });

  test("without one only those do whose address may", async () => {
    const { call } = await startRegistry({ writers: ["10.0.0.0/8"] });
    for (const [method, path, body] of writes) {
      const refused = await call(method, path, body);
      expect(refused).toMatchObject({
        status: 403,
        body: { error: expect.stringContaining("127.0.0.1 may not write") },
      });
    }
    expect((await call("GET", "/services")).status).toBe(200);
  });

  test.each([["x-forwarded-for"], ["forwarded"], ["origin"]])(
    "without one nobody does who comes with %s",
    async (header) => {
      const { call } = await startRegistry();
      for (const [method, path, body] of writes)
        expect((await call(method, path, body, { [header]: "http://a.example" })).status).toBe(403);
    },
  );
});

describe("who owns a name", () => {
  test("is who shows its lease id", async () => {
    const { register, call } = await startRegistry();
    await register({ lease_id: "first-owner" });
    const elsewhere = { port: 8002, lease_id: "second-owner" };
    expect(await register(elsewhere)).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining("'a' belongs to another") },
    });
    expect((await call("PUT", "/services/a", elsewhere)).status).toBe(409);
    expect((await call("POST", "/services/a/heartbeat", { lease_id: "second-owner" })).status).toBe(409);
    expect((await call("POST", "/services/a/heartbeat")).status).toBe(409);
    expect((await call("DELETE", "/services/a")).status).toBe(409);
    expect((await call("DELETE", "/services/a", undefined, id("second-owner"))).status).toBe(409);
    expect((await call("POST", "/services/a/heartbeat", { lease_id: "first-owner" })).status).toBe(200);
    expect((await call("PUT", "/services/a", { port: 8003, lease_id: "first-owner" })).status).toBe(200);
    expect((await call("GET", "/services/a")).body).toMatchObject({ port: 8003 });
    expect((await call("DELETE", "/services/a", undefined, id("first-owner"))).status).toBe(200);
  });

  test("is, for the original's clients, who has the address", async () => {
    const { register, call } = await startRegistry();
    const { body } = await register();
    expect((await register({ port: 8002 })).status).toBe(201);
    expect((await call("POST", "/services/a/heartbeat")).status).toBe(200);
    expect((await call("DELETE", "/services/a", undefined, id(String(body["lease_id"])))).status).toBe(200);
  });

  test("is who comes after the lease has lapsed", async () => {
    let now = 0;
    const { register } = await startRegistry({ now: () => now });
    await register({ lease_id: "first-owner" });
    const theirs = { port: 8002, lease_id: "second-owner" };
    now = 119_999;
    expect((await register(theirs)).status).toBe(409);
    now = 120_000;
    expect((await register(theirs)).status).toBe(201);
  });
});

describe("how much there may be", () => {
  test("is as many services as the limit, and those may register again", async () => {
    const { register, call } = await startRegistry({ limits: { entries: 2 } });
    expect((await register({ name: "a" })).status).toBe(201);
    expect((await register({ name: "b" })).status).toBe(201);
    expect((await register({ name: "c" })).status).toBe(507);
    expect((await register({ name: "b", port: 8002 })).status).toBe(201);
    await call("DELETE", "/services/a");
    expect((await register({ name: "c" })).status).toBe(201);
  });

  test("is so many writes of one address, and ten seconds of them at once", async () => {
    let now = 0;
    const { call } = await startRegistry({ limits: { writes: 1 }, now: () => now });
    for (let sent = 0; sent < 10; sent++) expect((await call("DELETE", "/services/a")).status).toBe(404);
    const refused = await call("POST", "/services", service);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect((await call("GET", "/services/a/health")).status).toBe(429);
    expect((await call("GET", "/services")).status).toBe(200);
    now += 1_000;
    expect((await call("POST", "/services", service)).status).toBe(201);
    expect((await call("POST", "/services", service)).status).toBe(429);
  });
});
