import { describe, expect, test } from "vitest";
import { within } from "../wire/waiting.ts";
import { ask, prefillBody, prefillParams, twoPhases, withMember } from "./ask.ts";
import { openUnified } from "./decode-worker.ts";
import { engineRoom } from "./engine-room.ts";
import { nixlStage, told } from "./nixl-stage.ts";

describe("a worker", () => {
  test("says what it is told to say", async () => {
    const it = await nixlStage();
    const { headers } = twoPhases(it.room);
    const first = (): Promise<string> => ask(it.prefill, { headers, body: prefillBody });
    it.prefill.next({ status: 503 });
    expect(await first()).toContain("as scripted");
    it.prefill.next({ fault: "reset" });
    await expect(first()).rejects.toThrow("fetch failed");
    it.prefill.next({ handle: "missing" });
    expect(JSON.parse(await first())).not.toHaveProperty("kv_transfer_params");
    it.prefill.next({ handle: "null" });
    expect(JSON.parse(await first())).toHaveProperty("kv_transfer_params", null);
    it.prefill.next({ handle: '{"own":18446744073709551617}' });
    expect(await first()).toContain('{"own":18446744073709551617}');
    expect(it.room.complaints).toEqual([]);
  });

  test("hangs until the connection is closed, and notes it", async () => {
    const it = await nixlStage();
    const { headers } = twoPhases(it.room);
    const leave = new AbortController();
    it.prefill.next({ fault: "hang" });
    const asked = ask(it.prefill, { headers, body: prefillBody, signal: leave.signal });
    await expect.poll(() => it.prefill.load.now).toBe(1);
    leave.abort();
    await expect(asked).rejects.toThrow("aborted");
    await expect.poll(() => it.prefill.load.now).toBe(0);
    expect(it.prefill.received).toMatchObject([{ end: "left" }]);
    it.room.expectNoComplaints();
  });

  test("streams, breaks a stream, or ends it with an error event", async () => {
    const it = await nixlStage();
    const body = `{"prompt":"x","stream":true}`;
    expect(await ask(it.decode, { body })).toMatch(/^data: .*"text":"D".*data: \[DONE\]\n\n$/s);
    it.decode.next({ fault: "cut" });
    await expect(ask(it.decode, { body })).rejects.toThrow("terminated");
    it.decode.next({ fault: "error event" });
    expect(await ask(it.decode, { body })).toMatch(/"text":"D".*"error":\{"message":"as scripted"/s);
  });

  test("that was killed refuses connections until it is back on its port", async () => {
    const it = await nixlStage();
    await it.decode.kill();
    await expect(ask(it.decode, { body: "{}" })).rejects.toThrow("fetch failed");
    await it.decode.revive();
    expect(await ask(it.decode, { body: "{}" })).toContain("DDDD");
  });

  test("of both roles complains of a handle and of a room", async () => {
    const room = engineRoom();
    const unified = await openUnified(room, { name: "U" });
    const { headers, body } = twoPhases(room);
    await ask(unified, { headers, body });
    room.expectNoComplaints();
    await ask(unified, { headers, body: withMember(body, prefillParams) });
    await ask(unified, { headers, body: withMember(body, '"bootstrap_room":1') });
    expect(told(room)).toMatchObject(
      [/^U kv_transfer_params/, "U bootstrap_room: 1"].map((each) => expect.stringMatching(each)),
    );
  });

  test("of both roles complains of a changed body and of a header that names a prefill worker", async () => {
    const room = engineRoom();
    const unified = await openUnified(room, { name: "U" });
    const { headers, body } = twoPhases(room);
    await ask(unified, { headers: { ...headers, "x-prefiller-url": "http://10.0.0.1" }, body });
    await ask(unified, { headers, body: body.replace('"m"', '"n"') });
    expect(told(room)).toEqual(["U x-prefiller-url: http://10.0.0.1", 'U model: "model":"n"']);
  });

  test("tells its health and its models without a complaint", async () => {
    const it = await nixlStage();
    const models = await within(fetch(`${it.prefill.url}/v1/models`), "the models");
    expect(await models.json()).toMatchObject({ object: "list" });
    expect((await fetch(`${it.prefill.url}/health`)).status).toBe(200);
    expect(it.prefill.received).toEqual([]);
  });
});
