import { expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { get, ok } from "./messages.ts";
import { errorCode, expectUntouched, openWire } from "./open-wire.ts";

const ambiguous = [
  "/..",
  "/../a",
  "/a/../b",
  "/a/./b",
  "/a/.",
  "/a/..",
  "/%2e%2e/a",
  "/%2E%2E/a",
  "/a/.%2e/b",
  "/a/%2e/b",
  "/a/..;/b",
  "/a/..;x=1/b",
  "/a%2fb",
  "/a%2Fb",
  "/a%5cb",
  "/a%5Cb",
  "/a\\b",
  "/\\a",
  "/a%00b",
  "/a#b",
  "/a\xe9b",
  "/%61dmin",
  "/a%41",
  "/a%30",
  "/a%2db",
  "/a%5fb",
  "/%252e%252e/a",
  "/a%252fb",
  "/a%252Fb",
  "/a%255cb",
  "/a%2500b",
];

test.each(ambiguous)("%j has a second meaning: 400, nothing reaches the upstream", async (path) => {
  const wire = await openWire(answering(ok()));
  const response = await wire.exchange(get(path));
  expect(response.status).toBe(400);
  await expectUntouched(wire);
});

const exact = [
  "/",
  "/?",
  "/a?",
  "/a/",
  "//a",
  "/a//b",
  "//",
  "/a;b=1",
  "/a;/b",
  "/...",
  "/.a",
  "/..a",
  "/a..",
  "/a%20b",
  "/a%C3%A9",
  "/a%c3%a9",
  "/a%2541",
  "/a+b",
  "/a:b@c",
  "/a|b",
  "/~a",
  "/a!$&'()*,=",
  "/A",
  "/?a=1&a=2",
  "/?%zz",
  "/?a;b",
  "/?../../a",
  "/?%2e%2e%2f%00",
  "/?a?b",
  '/?"',
  "/?a\\b",
  "/?http://a/",
  "/?x=__proto__",
];

test.each(exact)("%s is forwarded byte for byte", async (path) => {
  const wire = await openWire(answering(ok()));
  expect((await wire.exchange(get(path))).status).toBe(200);
  expect(wire.upstream.requests.map((each) => each.path)).toEqual([path]);
});

test.each([
  ["", "/", "/"],
  ["/", "/", "/"],
  ["/", "/a", "/a"],
  ["/v1", "/", "/v1/"],
  ["/v1", "/?a", "/v1/?a"],
  ["/v1", "/models", "/v1/models"],
  ["/v1/", "/models", "/v1/models"],
  ["/v1", "/models/", "/v1/models/"],
  ["/v1", "/v1/models", "/v1/v1/models"],
  ["/v1", "//a", "/v1//a"],
  ["/a/b", "/c?d=/e", "/a/b/c?d=/e"],
])("base path %j and path %j make %j", async (basePath, path, joined) => {
  const wire = await openWire(answering(ok()), { basePath });
  await wire.exchange(get(path));
  expect(wire.upstream.requests[0]?.path).toBe(joined);
});

test.each([20_000, 40_000, 70_000])(
  "a request target of %i bytes: 414 is delivered, nothing reaches the upstream",
  async (length) => {
    const wire = await openWire(answering(ok()));
    const client = await wire.client();
    void client.send(get(`/${"a".repeat(length)}`));
    const response = await client.response();
    expect(response).toMatchObject({ status: 414, ending: "complete" });
    expect(errorCode(response)).toBe("url_too_long");
    await expectUntouched(wire);
  },
);
