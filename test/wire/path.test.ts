import { expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { get, ok } from "./messages.ts";
import { errorCode, expectUntouched, openWire } from "./open-wire.ts";
import { ambiguous, exact, joins, queries } from "./path-cases.ts";

test.each(ambiguous)("%j has a second meaning: 400, nothing reaches the upstream", async (path) => {
  const wire = await openWire(answering(ok()));
  const response = await wire.exchange(get(path));
  expect(response.status).toBe(400);
  await expectUntouched(wire);
});

test.each([...exact, ...queries])("%s is forwarded byte for byte", async (path) => {
  const wire = await openWire(answering(ok()));
  expect((await wire.exchange(get(path))).status).toBe(200);
  expect(wire.upstream.requests.map((each) => each.path)).toEqual([path]);
});

test.each(joins)("base path %j and path %j make %j", async (basePath, path, joined) => {
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
