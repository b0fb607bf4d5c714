import { expect, test } from "vitest";
import { definePlugin } from "plugboard";
import { answering } from "./evil-upstream.ts";
import { readHead } from "./http1.ts";
import { ok, post, postHead } from "./messages.ts";
import { errorCode, expectUntouched, openWire } from "./open-wire.ts";

const guard = definePlugin({
  name: "guard",
  setup: () => ({ request: (x) => (x.path === "/" ? { status: 401 } : undefined) }),
});

test("Expect: 100-continue: a gate answers before the client is asked for the body", async () => {
  const wire = await openWire(answering(ok()), { plugins: [guard()] });
  const client = await wire.client();
  await client.send(postHead("/", 5, "Expect: 100-continue"));
  expect(await client.response()).toMatchObject({ status: 401, informational: [] });
  await expectUntouched(wire);
});

test("Expect: 100-continue: a body over the limit is refused before the client is asked for it", async () => {
  const wire = await openWire(answering(ok()), { limits: { body: 4 } });
  const client = await wire.client();
  await client.send(postHead("/", 5, "Expect: 100-continue"));
  expect(await client.response()).toMatchObject({ status: 413, informational: [] });
  await expectUntouched(wire);
});

test("Expect: 100-continue: the client is asked for the body, and the upstream gets it", async () => {
  const wire = await openWire(answering((request) => ok(request.text)));
  const client = await wire.client();
  await client.send(postHead("/", 5, "Expect: 100-continue"));
  expect((await readHead(client.reader)).startLine).toBe("HTTP/1.1 100 Continue");
  await client.send("hello");
  expect(await client.response()).toMatchObject({ status: 200, text: "hello", informational: [] });
});

test("an unknown expectation: 417, nothing reaches the upstream", async () => {
  const wire = await openWire(answering(ok()));
  const response = await wire.exchange(post("/", "hello", "Expect: a-miracle"));
  expect(response.status).toBe(417);
  expect(errorCode(response)).toBe("expectation_failed");
  await expectUntouched(wire);
});
