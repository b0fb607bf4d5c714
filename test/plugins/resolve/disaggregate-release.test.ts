import { definePlugin, type Plugin } from "plugboard";
import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { type Deferred, deferred } from "../../wire/waiting.ts";
import { openDecode } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import type { Worker } from "../../disaggregate/worker.ts";
import { openPair } from "./_disaggregate-pair.ts";
import { chat, counts, openStage } from "./_disaggregate-stage.ts";

describe("a handle that no decode target gets", () => {
  /** Holds requests behind the first phase. */
  function hold(until: Deferred, held: Deferred): Plugin {
    return definePlugin({
      name: "hold",
      setup: () => ({
        admit: {
          after: ["disaggregate"],
          handler() {
            held.resolve();
            return until.promise;
          },
        },
      }),
    })();
  }

  test("is given back when the client leaves between the phases", async () => {
    const [until, held] = [deferred(), deferred()];
    const { room, ask, prefill, decode, live } = await openPair({ plugins: [hold(until, held)] });
    const client = new AbortController();
    const answer = ask({ ...chat, stream: true, min_tokens: 2 }, { signal: client.signal });
    await held.promise;
    client.abort();
    await expect(answer).rejects.toThrow("abort");
    await eventually(() => expect(room.leases.all.map(({ state }) => state)).toEqual(["released"]));
    until.resolve();
    expect(decode.received.map(({ json }) => [json["stream"], json["max_tokens"], json["min_tokens"]])).toEqual([
      [false, 1, undefined],
    ]);
    expect(counts(prefill, decode)).toEqual({ P: 1, D: 1 });
    await eventually(() => expect(live(decode)).toMatchObject({ inflight: 0, failures: 0 }));
    room.expectNoComplaints();
  });

  test("is given back when all decode targets are full", async () => {
    const { room, ask, decode } = await openPair({ specs: { D: { maxConcurrency: 1 } } });
    const first = deferred();
    decode.next({ until: first.promise });
    const served = ask(chat);
    await eventually(() => expect(decode.received.length).toBe(1));
    expect(await ask(chat)).toMatchObject({ status: 503, code: "overloaded" });
    await eventually(() => expect(room.leases.all.map(({ state }) => state)).toEqual(["pulled", "released"]));
    first.resolve();
    expect((await served).status).toBe(200);
    room.expectNoComplaints();
  });

  test.each<[string, (worker: Worker) => unknown, number]>([
    ["is not reached", (worker) => worker.kill(), 0],
    ["breaks off before its answer", (worker) => worker.next({ fault: "reset" }), 1],
  ])("is given back by the next decode target when one %s", async (_, spoil, reached) => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P" });
    const decode = await Promise.all(["D1", "D2"].map((name) => openDecode(room, { name })));
    const [until, held] = [deferred(), deferred()];
    const { ask } = await openStage(room, [prefill, ...decode], { plugins: [hold(until, held)] });
    const client = new AbortController();
    const answer = ask(chat, { signal: client.signal });
    await held.promise;
    await spoil(decode[0]!);
    client.abort();
    await expect(answer).rejects.toThrow("abort");
    await eventually(() => expect(counts(prefill, ...decode)).toEqual({ P: 1, D1: reached, D2: 1 }));
    expect(room.leases.all.map(({ state }) => state)).toEqual(["released"]);
    until.resolve();
    room.expectNoComplaints();
  });

  test("is none when the client leaves during the first phase, which ends at once", async () => {
    const { room, ask, prefill, decode } = await openPair();
    prefill.next({ fault: "hang" });
    const client = new AbortController();
    const answer = ask(chat, { signal: client.signal });
    await eventually(() => expect(prefill.received.length).toBe(1));
    client.abort();
    await expect(answer).rejects.toThrow("abort");
    await eventually(() => expect(prefill.received[0]?.end).toBe("left"));
    expect(counts(prefill, decode)).toEqual({ P: 1, D: 0 });
    room.expectNoComplaints();
  });
});
