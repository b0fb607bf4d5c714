import { expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import {
  bothFramings,
  chunkedBodies,
  codings,
  headerLines,
  lengths,
  otherCodings,
  otherVersions,
  requestLines,
  smuggled,
} from "./framing-cases.ts";
import { get, lastChunk, ok } from "./messages.ts";
import { expectUntouched, openWire } from "./open-wire.ts";
import { within } from "./waiting.ts";

const refused = [...bothFramings, ...lengths, ...codings, ...headerLines, ...requestLines];

test.each(refused)("%s: what stands behind it is not served either", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  // A connection to the upstream that stands: what is sent now would be there at once.
  expect((await wire.exchange(get("/first"))).status).toBe(200);
  const client = await wire.client();
  await client.send(bytes + smuggled);
  expect((await client.response()).status).toBe(400);
  await within(client.ending, "the connection is closed");
  expect((await wire.exchange(get("/last"))).status).toBe(200);
  expect(wire.upstream.requests.map(({ path }) => path)).toEqual(["/first", "/last"]);
});

test.each(refused)("%s: 400, closed, and nothing reaches the upstream", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(bytes + smuggled);
  const response = await client.response();
  expect(response).toMatchObject({ status: 400, ending: "complete" });
  expect(response.get("connection")).toBe("close");
  await within(client.ending, "the connection closes");
  await expectUntouched(wire);
});

test.each([...otherCodings, ...otherVersions])(
  "%s: 400 or what says that it is not known, closed, and nothing reaches the upstream",
  async (_what, bytes) => {
    const wire = await openWire(answering(ok()));
    const client = await wire.client();
    await client.send(bytes + smuggled);
    expect([400, 501, 505]).toContain((await client.response()).status);
    await within(client.ending, "the connection closes");
    await expectUntouched(wire);
  },
);

test.each(chunkedBodies)("%s ends the connection, and the upstream never sees the body's end", async (_what, bytes) => {
  const wire = await openWire(answering(ok()));
  const client = await wire.client();
  await client.send(bytes);
  const status = await client.response().then(
    (response) => response.status,
    () => "closed",
  );
  expect([400, 413, "closed"]).toContain(status);
  await within(client.ending, "the connection closes");
  await wire.exchange(get("/after"));
  const received = wire.upstream.received.toString("latin1").replace(/GET \/after[^]*/, "");
  expect(received).not.toContain("smuggled");
  expect(received).not.toContain(lastChunk);
});
