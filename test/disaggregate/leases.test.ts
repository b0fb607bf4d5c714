import { describe, expect, test } from "vitest";
import { ask, clientBody, twoPhases, withMember } from "./ask.ts";
import { nixlStage, prefilled, told } from "./nixl-stage.ts";

describe("a handle", () => {
  test("that is neither pulled nor released is lost", async () => {
    const it = await nixlStage();
    await prefilled(it, twoPhases(it.room).headers);
    expect(it.room.complaints).toEqual([]);
    expect(() => it.room.expectNoComplaints()).toThrow("a lost handle");
    it.room.expectNoComplaints(() => true);
  });

  test("is lost with the worker that held it, and nobody is to blame", async () => {
    const it = await nixlStage();
    await prefilled(it, twoPhases(it.room).headers);
    await it.prefill.kill();
    it.room.expectNoComplaints();
  });

  test("is released for a client that left, and for no other", async () => {
    const it = await nixlStage();
    const { headers } = twoPhases(it.room);
    const handle = await prefilled(it, headers);
    const release = clientBody.replace('"max_tokens":3', '"max_tokens":1');
    await ask(it.decode, { headers, body: withMember(release, `"kv_transfer_params":${handle}`) });
    expect(it.room.leases.all).toMatchObject([{ state: "released" }]);
    expect(() => it.room.expectNoComplaints()).toThrow("released (client request 1)");
    it.room.clients.byId("1")!.gone = true;
    it.room.expectNoComplaints();
  });

  test("is released by a request that is the client's in all but its limits", async () => {
    const it = await nixlStage();
    const { headers } = twoPhases(it.room);
    const handle = await prefilled(it, headers);
    const other = clientBody.replace('"max_tokens":3', '"max_tokens":1').replace('"m"', '"n"');
    await ask(it.decode, { headers, body: withMember(other, `"kv_transfer_params":${handle}`) });
    expect(told(it.room)).toEqual(['D model: "model":"n"']);
  });

  test("is of use at its own path only", async () => {
    const it = await nixlStage();
    const { headers, requestId, body } = twoPhases(it.room);
    const second = withMember(body, `"kv_transfer_params":${await prefilled(it, headers)}`);
    await ask(it.decode, { path: "/v1/messages", headers: { "x-request-id": requestId }, body: second });
    expect(told(it.room)).toEqual(["D path: /v1/messages"]);
  });

  test("that is told in part only is none", async () => {
    const it = await nixlStage();
    it.prefill.next({ fault: "cut" });
    await expect(prefilled(it, twoPhases(it.room).headers)).rejects.toThrow();
    await expect.poll(() => it.room.leases.all).toMatchObject([{ state: "void" }]);
    it.room.expectNoComplaints();
  });
});
