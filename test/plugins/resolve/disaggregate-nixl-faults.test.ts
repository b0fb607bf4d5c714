import { describe, expect, test } from "vitest";
import { openDecode, openUnified } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import type { Worker } from "../../disaggregate/worker.ts";
import { openPair, type Pair } from "./_disaggregate-pair.ts";
import { chat, counts, openStage, type StageOptions } from "./_disaggregate-stage.ts";

describe("when prefill fails", () => {
  async function openThree(): Promise<Pair & { readonly other: Worker; readonly unified: Worker }> {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P" });
    const other = await openPrefill(room, { name: "P2" });
    const decode = await openDecode(room, { name: "D" });
    const unified = await openUnified(room, { name: "U" });
    const stage = await openStage(room, [prefill, other, decode, unified]);
    return { room, prefill, other, decode, unified, ...stage };
  }

  test.each([{ status: 500 }, { status: 503 }, { status: 429 }, { fault: "reset" }, { fault: "cut" }] as const)(
    "%o: the next prefill target is asked",
    async (behaviour) => {
      const { room, ask, live, prefill, other, decode, unified } = await openThree();
      prefill.next(behaviour);
      const { status, text } = await ask(chat);
      expect([status, text.includes("DDD")], text).toEqual([200, true]);
      expect(counts(prefill, other, decode, unified)).toEqual({ P: 1, P2: 1, D: 1, U: 0 });
      expect(live(decode).failures).toBe(0);
      // What it held when it broke off, nobody was told of.
      room.expectNoComplaints(({ worker }) => worker === "P");
    },
  );

  test("twice: a unified target serves the request", async () => {
    const { room, ask, prefill, other, decode, unified } = await openThree();
    prefill.next({ status: 500 });
    other.next({ fault: "reset" });
    expect((await ask(chat)).status).toBe(200);
    expect(counts(prefill, other, decode, unified)).toEqual({ P: 1, P2: 1, D: 0, U: 1 });
    room.expectNoComplaints();
  });

  test("and there is no other target: decode does it alone", async () => {
    const { room, ask, live, prefill, decode } = await openPair();
    await prefill.kill();
    const { status, text } = await ask(chat);
    expect([status, text.includes("DDD")], text).toEqual([200, true]);
    expect(live(prefill).failures).toBe(1);
    expect(live(decode).failures).toBe(0);
    room.expectNoComplaints();
  });

  test("with a mistake of the client: no other prefill target is asked, and the client is told of it", async () => {
    const room = engineRoom();
    const workers = await Promise.all(
      ["P", "P2"].map((name) => openPrefill(room, { name, behaviour: { status: 422 } })),
    );
    const decode = await openDecode(room, { name: "D", behaviour: { status: 422 } });
    const { ask, live } = await openStage(room, [...workers, decode]);
    expect((await ask(chat)).status).toBe(422);
    expect(counts(...workers, decode)).toEqual({ P: 1, P2: 0, D: 1 });
    expect(live(workers[0]!).failures).toBe(0);
    room.expectNoComplaints();
  });

  test("with an answer that is no JSON: the next one is asked", async () => {
    const { room, ask, prefill, other, decode } = await openThree();
    prefill.next({ handle: "{" });
    expect((await ask(chat)).status).toBe(200);
    expect(counts(prefill, other, decode)).toEqual({ P: 1, P2: 1, D: 1 });
    room.expectNoComplaints(({ worker }) => worker === "P");
  });

  test("prefillAttempts says how many are asked", async () => {
    const room = engineRoom();
    const names = ["P1", "P2", "P3"];
    const prefill = await Promise.all(names.map((name) => openPrefill(room, { name, behaviour: { status: 500 } })));
    const decode = await openDecode(room, { name: "D" });
    const { ask } = await openStage(room, [...prefill, decode], { options: { prefillAttempts: 3 } });
    expect((await ask(chat)).status).toBe(200);
    expect(counts(...prefill, decode)).toEqual({ P1: 1, P2: 1, P3: 1, D: 1 });
    room.expectNoComplaints();
  });
});

describe("when decode fails", () => {
  async function openTwo(config: StageOptions["config"] = {}): Promise<Pair & { readonly other: Worker }> {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P" });
    const decode = await openDecode(room, { name: "D" });
    const other = await openDecode(room, { name: "D2" });
    const stage = await openStage(room, [prefill, decode, other], { config });
    return { room, prefill, decode, other, ...stage };
  }

  test("and was not reached, the handle goes to the next one", async () => {
    const { room, ask, live, prefill, decode, other } = await openTwo();
    await decode.kill();
    expect((await ask(chat)).status).toBe(200);
    expect(counts(prefill, other)).toEqual({ P: 1, D2: 1 });
    expect(live(decode).failures).toBe(1);
    expect(live(prefill).failures).toBe(0);
    expect(room.leases.all.map(({ state }) => state)).toEqual(["pulled"]);
    room.expectNoComplaints();
  });

  test("and had the handle already, the retry has a new one", async () => {
    const { room, ask, prefill, decode, other } = await openTwo({ retry: { nonIdempotent: true } });
    decode.next({ fault: "reset" });
    expect((await ask(chat)).status).toBe(200);
    expect(counts(prefill, decode, other)).toEqual({ P: 2, D: 1, D2: 1 });
    expect(room.leases.all.map(({ state }) => state)).toEqual(["pulled", "pulled"]);
    room.expectNoComplaints();
  });

  test("with an answer of its own, that is the client's", async () => {
    const { room, ask, prefill, decode, other } = await openTwo();
    decode.next({ status: 500 });
    expect((await ask(chat)).status).toBe(500);
    expect(counts(prefill, decode, other)).toEqual({ P: 1, D: 1, D2: 0 });
    room.expectNoComplaints();
  });
});
