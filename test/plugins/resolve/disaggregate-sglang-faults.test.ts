import { describe, expect, test } from "vitest";
import { openDecode, openUnified } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import type { Worker } from "../../disaggregate/worker.ts";
import { eventually } from "../../e2e/eventually.ts";
import { deferred } from "../../wire/waiting.ts";
import { openPair as openAnyPair, type Pair } from "./_disaggregate-pair.ts";
import { chat, counts, openStage, type StageOptions } from "./_disaggregate-stage.ts";

const protocol = "sglang";

function openPair(): Promise<Pair> {
  return openAnyPair({}, { protocol });
}

describe("when prefill fails", () => {
  interface Three extends Pair {
    readonly other: Worker;
  }

  async function openThree(stage: StageOptions = {}, unified: readonly Worker[] = []): Promise<Three> {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P", protocol });
    const other = await openPrefill(room, { name: "P2", protocol });
    const decode = await openDecode(room, { name: "D", protocol });
    return { room, prefill, other, decode, ...(await openStage(room, [prefill, other, decode, ...unified], stage)) };
  }

  test.each([{ status: 500 }, { status: 503 }, { status: 429 }, { fault: "reset" }] as const)(
    "%o: decode is not left waiting, and another pair meets in a new room",
    async (behaviour) => {
      const { room, ask, live, prefill, other, decode } = await openThree();
      prefill.next(behaviour);
      const { status, text } = await ask(chat);
      expect([status, text.includes("DDD")], text).toEqual([200, true]);
      expect(counts(prefill, other)).toEqual({ P: 1, P2: 1 });
      expect(live(decode).failures).toBe(0);
      const rooms = [...prefill.received, ...other.received].map(
        ({ text: sent }) => /"bootstrap_room":\d+/.exec(sent)?.[0],
      );
      expect(new Set(rooms).size).toBe(2);
      await eventually(() => expect(live(decode).inflight).toBe(0));
      room.expectNoComplaints();
    },
  );

  test("and cannot be reached: another pair serves the request", async () => {
    const { room, ask, live, prefill, other, decode } = await openThree();
    await prefill.kill();
    expect((await ask(chat)).status).toBe(200);
    expect(counts(other)).toEqual({ P2: 1 });
    expect(live(prefill).failures).toBe(1);
    expect(live(decode).failures).toBe(0);
    room.expectNoComplaints();
  });

  test("twice: a unified target serves the request", async () => {
    const room = engineRoom();
    const behaviour = { status: 500 };
    const prefill = await Promise.all(
      ["P", "P2", "P3"].map((name) => openPrefill(room, { name, protocol, behaviour })),
    );
    const decode = await openDecode(room, { name: "D", protocol });
    const unified = await openUnified(room, { name: "U", protocol });
    const { ask } = await openStage(room, [...prefill, decode, unified]);
    expect((await ask(chat)).status).toBe(200);
    expect(prefill.filter(({ received }) => received.length === 1).length).toBe(2);
    expect(counts(unified)).toEqual({ U: 1 });
    room.expectNoComplaints();
  });

  test("and nothing is left: the client is told, and decode is not asked alone, which it would refuse", async () => {
    const { room, ask, prefill, decode } = await openPair();
    prefill.next({ status: 500 });
    expect(await ask(chat)).toMatchObject({ status: 502, code: "prefill_failed" });
    expect(decode.received.every(({ json }) => "bootstrap_room" in json)).toBe(true);
    room.expectNoComplaints();
  });

  test("with a mistake of the client, it is told in the worker's words", async () => {
    const { room, ask, prefill, other, decode, live } = await openThree();
    prefill.next({ status: 422 });
    const { status, text } = await ask(chat);
    expect([status, JSON.parse(text)]).toMatchObject([422, { message: "as scripted", code: 422 }]);
    expect(counts(other)).toEqual({ P2: 0 });
    expect([live(prefill).failures, live(decode).failures]).toEqual([0, 0]);
    room.expectNoComplaints();
  });

  test("after decode has begun to answer, the client has its whole answer", async () => {
    const { room, ask, live, prefill, decode } = await openPair();
    const gate = deferred();
    prefill.next({ fault: "cut" });
    decode.next({ gate: (piece) => (piece === 1 ? gate.promise : Promise.resolve()) });
    const answer = ask({ ...chat, stream: true });
    await eventually(() => expect(live(prefill).failures).toBe(1));
    gate.resolve();
    const { text } = await answer;
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    room.expectNoComplaints();
  });
});

describe("when decode fails", () => {
  test("prefill, which would wait for it, is given up", async () => {
    const { room, ask, live, prefill, decode } = await openPair();
    decode.next({ fault: "reset" });
    prefill.next({ fault: "hang" });
    expect((await ask(chat)).status).toBe(502);
    await eventually(() => expect(prefill.received[0]?.end).toBe("left"));
    expect([live(prefill).failures, live(decode).failures]).toEqual([0, 1]);
    room.expectNoComplaints();
  });

  test("with an answer of its own, that is the client's, and prefill is given up", async () => {
    const { room, ask, live, prefill, decode } = await openPair();
    decode.next({ status: 400 });
    prefill.next({ fault: "hang" });
    expect(await ask(chat)).toMatchObject({ status: 400, code: null });
    await eventually(() => expect(prefill.received[0]?.end).toBe("left"));
    expect([live(prefill).failures, live(decode).failures]).toEqual([0, 0]);
    room.expectNoComplaints();
  });

  test("and was not reached, the next one meets prefill in a new room", async () => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P", protocol });
    const decode = await Promise.all(["D", "D2"].map((name) => openDecode(room, { name, protocol })));
    const { ask, live } = await openStage(room, [prefill, ...decode]);
    await decode[0]!.kill();
    const gate = deferred();
    decode[1]!.next({ until: gate.promise });
    const answer = ask(chat);
    await eventually(() => expect(prefill.received.map(({ end }) => end)).toEqual(["left", "open"]));
    gate.resolve();
    expect((await answer).status).toBe(200);
    expect(live(prefill).failures).toBe(0);
    room.expectNoComplaints();
  });
});

test("a client that leaves takes both phases with it", async () => {
  const { room, ask, live, prefill, decode } = await openPair();
  prefill.next({ fault: "hang" });
  const client = new AbortController();
  const answer = ask(chat, { signal: client.signal });
  await eventually(() => expect(counts(prefill, decode)).toEqual({ P: 1, D: 1 }));
  client.abort();
  await expect(answer).rejects.toThrow("abort");
  await eventually(() => expect([prefill, decode].map(({ received }) => received[0]?.end)).toEqual(["left", "left"]));
  expect([live(prefill).failures, live(decode).failures]).toEqual([0, 0]);
  room.expectNoComplaints();
});

test("without any prefill target the client is told that there is none", async () => {
  const room = engineRoom();
  const decode = await openDecode(room, { name: "D", protocol });
  const { ask } = await openStage(room, [decode]);
  expect(await ask(chat)).toMatchObject({ status: 503, code: "no_targets" });
  expect(counts(decode)).toEqual({ D: 0 });
});
