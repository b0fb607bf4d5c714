import { describe, expect, test } from "vitest";
import { openAdmin, upstream } from "./rig.ts";

describe("what is wrong is refused in words", () => {
  test.each([
    ["a list", "[]", 400, "expected a JSON object"],
    ["null", "null", 400, "expected a JSON object"],
    ["no JSON", "{", 400, "not JSON"],
    ["another field", '{"targets":"a"}', 400, 'there is no field \\"targets\\" here'],
    ["__proto__", '{"__proto__":{"target":"a"}}', 400, 'there is no field \\"__proto__\\" here'],
    ["a number for a target", '{"target":1}', 400, "target is no text"],
    ["no target", "{}", 400, "Which target?"],
    ["a line end in a reason", '{"target":"a","reason":"a\\nb"}', 400, "a reason is a line"],
    ["an empty reason", '{"target":"a","reason":" "}', 400, "a reason is a line"],
    ["a long reason", JSON.stringify({ target: "a", reason: "x".repeat(201) }), 400, "a reason is a line"],
    ["a long body", JSON.stringify({ target: "a".repeat(20_000) }), 413, "larger than 16384 bytes"],
  ])("%s", async (_, sent, status, says) => {
    const { call } = await openAdmin({ targets: [{ id: "a", url: "http://127.0.0.1:9" }] });
    const answered = await call("/admin/drain", { method: "POST", body: sent });
    expect(answered.status).toBe(status);
    expect(answered.text).toContain(says);
  });

  test("a body of another type, which a page of another site could send unasked", async () => {
    const { call } = await openAdmin({ targets: [{ id: "a", url: "http://127.0.0.1:9" }] });
    for (const type of ["text/plain", "application/x-www-form-urlencoded", ""]) {
      const headers = { "content-type": type };
      const { status, text } = await call("/admin/drain", { method: "POST", body: '{"target":"a"}', headers });
      expect(status).toBe(400);
      expect(text).toContain("Content-Type: application/json");
    }
  });

  test("all below its path is its own, and no slip of a finger reaches an upstream", async () => {
    const got: string[] = [];
    const target = await upstream("one", (request, response) => {
      got.push(String(request.url));
      response.end("upstream");
    });
    const { call } = await openAdmin({ targets: [target] });
    for (const path of ["/admin", "/admin/", "/admin/statsu", "/admin/targets/one", "/admin/targets//drain"])
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        const { status, text } = await call(path, { method });
        expect([status, text]).toEqual([404, expect.stringContaining("cooldowns/clear")]);
      }
    expect((await call("/admin/drain")).status).toBe(404);
    expect((await call("/admins")).text).toBe("upstream");
    expect(got).toEqual(["/admins"]);
  });
});
