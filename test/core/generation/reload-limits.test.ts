import { expect, test } from "vitest";
import { answering } from "../../wire/evil-upstream.ts";
import { get, ok } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";
import { within } from "../../wire/waiting.ts";

const lines = (count: number): string[] => Array.from({ length: count }, (_, i) => `X-${i}: ${i}`);

test("a limit of header lines that a reload raises holds: none of them is dropped", async () => {
  const wire = await openWire(answering(ok()), { limits: { headerCount: 20 } });
  expect((await wire.exchange(get("/", ...lines(25)))).status).toBe(431);
  await wire.proxy.reload({ ...wire.config, limits: { headerCount: 100 } });
  const { status } = await wire.exchange(get("/", ...lines(50), "Authorization: Bearer last"));
  expect(status).toBe(200);
  expect(wire.upstream.requests.at(-1)?.get("authorization")).toBe("Bearer last");
});

test("a limit of header lines that a reload lowers holds", async () => {
  const wire = await openWire(answering(ok()));
  await wire.proxy.reload({ ...wire.config, limits: { headerCount: 20 } });
  expect((await wire.exchange(get("/", ...lines(25)))).status).toBe(431);
});

test("a limit of connections that a reload sets holds", async () => {
  const wire = await openWire(answering(ok()));
  await wire.proxy.reload({ ...wire.config, limits: { connections: 1 } });
  const first = await wire.client();
  await first.send(get("/"));
  expect((await first.response()).status).toBe(200);
  const second = await wire.client();
  expect(await within(second.ending, "the second connection is closed", 1_000)).toMatch(/fin|reset/);
});
