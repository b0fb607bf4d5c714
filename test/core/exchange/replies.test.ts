import type { Reply } from "plugboard";
import { describe, expect, test } from "vitest";
import { get, message } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";
import type { RawResponse } from "../../wire/raw-client.ts";
import { hooks } from "../quick-plugin.ts";

/** A gate's answer, as it stands on the wire. */
async function answered(reply: Reply, request = get("/"), to?: string): Promise<RawResponse> {
  const wire = await openWire([], { plugins: [hooks({ request: () => reply })] });
  return wire.exchange(request, to);
}

describe("a reply of a plugin", () => {
  test.each([
    ["a text", { status: 200, body: "h\u00e9llo" }, "h\u00e9llo", "6"],
    ["bytes", { status: 200, body: new Uint8Array([104, 105]) }, "hi", "2"],
    ["nothing", { status: 401 }, "", "0"],
    ["an empty text", { status: 200, body: "" }, "", "0"],
  ])("may be %s, and has its length", async (_what, reply, text, length) => {
    const response = await answered(reply);
    expect(response.status).toBe(reply.status);
    expect(response.body.toString("utf8")).toBe(text);
    expect(response.get("content-length")).toBe(length);
  });

  test("without a body by its status has no length either", async () => {
    expect((await answered({ status: 204 })).get("content-length")).toBeUndefined();
  });

  test("to HEAD has the length and no body", async () => {
    const response = await answered({ status: 200, body: "hello" }, message(["HEAD / HTTP/1.1", "Host: a"]), "HEAD");
    expect(response.get("content-length")).toBe("5");
  });

  test("has its headers, lists as lists, in any case", async () => {
    const { headers } = await answered({ status: 200, headers: { "X-A": "1", "Set-Cookie": ["a=1", "b=2"] } });
    expect(headers.filter(([name]) => /^(?:x-a|set-cookie)$/i.test(name)).map(([, value]) => value)).toEqual([
      "1",
      "a=1",
      "b=2",
    ]);
  });

  test.each([
    ["a length of its own", { "Content-Length": "999" }],
    ["a coding of its own, as the answer of another server may have", { "transfer-encoding": "chunked" }],
    ["both", { "transfer-encoding": "chunked", "content-length": "1" }],
  ])("is framed by us, whatever it says: %s", async (_what, headers) => {
    const response = await answered({ status: 403, headers, body: "no" });
    expect(response).toMatchObject({ status: 403, text: "no", ending: "complete" });
    expect(response.get("transfer-encoding")).toBeUndefined();
    expect(response.get("content-length")).toBe("2");
  });

  test("that is none by its status is 500, and the connection goes on", async () => {
    expect((await answered({ status: 99 })).status).toBe(500);
  });
});
