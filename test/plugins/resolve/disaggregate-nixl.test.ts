import { randomUUID } from "node:crypto";
import { definePlugin } from "plugboard";
import { describe, expect, test } from "vitest";
import { openDecode } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import { eventually } from "../../e2e/eventually.ts";
import { deferred } from "../../wire/waiting.ts";
import { openPair } from "./_disaggregate-pair.ts";
import { chat, counts, openStage } from "./_disaggregate-stage.ts";

describe("the phases", () => {
  // The workers compare each request with the client's, and each handle with what was handed out.
  test.each([
    ["/v1/chat/completions", { ...chat, max_completion_tokens: 5, min_tokens: 2, stream: true, stream_options: {} }],
    ["/v1/completions", { model: "m", prompt: "Say a word", max_tokens: 3, min_tokens: 3, min_completion_tokens: 3 }],
    ["/v1/messages", { model: "m", max_tokens: 3, messages: [{ role: "user", content: "hello" }], stream: true }],
    ["/v1/responses", { model: "m", input: "hello", max_output_tokens: 3 }],
    ["/v1/responses", { model: "m", input: "hello", stream: true }],
    [
      "/inference/v1/generate",
      { model: "m", token_ids: [1, 2], sampling_params: { max_tokens: 3, min_tokens: 3, top_k: 1 } },
    ],
    ["/inference/v1/generate", { model: "m", token_ids: [1, 2], sampling_params: null }],
    ["/inference/v1/generate?x=1", { model: "m", token_ids: [1, 2] }],
  ])("of %s: one token by the prefill worker, then the rest by handle", async (path, body) => {
    const { room, ask, prefill, decode } = await openPair();
    const { status, text } = await ask(body, { path });
    expect(status, text).toBe(200);
    expect(text).not.toContain("P");
    expect(counts(prefill, decode)).toEqual({ P: 1, D: 1 });
    expect(room.leases.all.map(({ state }) => state)).toEqual(["pulled"]);
    room.expectNoComplaints();
  });

  test("have one request id, a plain uuid and not what a stranger sends", async () => {
    const { room, ask, prefill, decode } = await openPair();
    await ask(chat, { headers: { "x-request-id": "___prefill_addr_10.0.0.1:1" } });
    const ids = [...prefill.received, ...decode.received].map(({ requestId }) => requestId);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    room.expectNoComplaints();
  });

  test("keep the request id of a client that is a trusted proxy", async () => {
    const { room, ask, prefill, decode } = await openPair({ config: { trustedProxies: ["127.0.0.1"] } });
    const id = randomUUID();
    await ask(chat, { headers: { "x-request-id": id } });
    expect([...prefill.received, ...decode.received].map(({ requestId }) => requestId)).toEqual([id, id]);
    room.expectNoComplaints();
  });

  test("ask for an answer in plain JSON first, whatever the client takes", async () => {
    const { ask, prefill, decode } = await openPair();
    await ask({ ...chat, stream: true }, { headers: { accept: "text/event-stream", "accept-encoding": "br" } });
    const heads = [...prefill.received, ...decode.received].map(({ headers }) => headers);
    expect(heads.map(({ accept }) => accept)).toEqual(["application/json", "text/event-stream"]);
    expect(heads.map((head) => head["accept-encoding"])).toEqual([undefined, "br"]);
  });

  test.each(["missing", "null"] as const)("without a handle, as it is %s, decode does it alone", async (handle) => {
    const { room, ask, prefill, decode } = await openPair();
    prefill.next({ handle });
    expect((await ask(chat)).status).toBe(200);
    expect(decode.received[0]?.json).not.toHaveProperty("kv_transfer_params");
    room.expectNoComplaints();
  });

  test("are loads of their own: prefill during the first, decode during the second", async () => {
    const { ask, live, prefill, decode } = await openPair();
    const [first, second] = [deferred(), deferred()];
    prefill.next({ until: first.promise });
    decode.next({ until: second.promise });
    const answer = ask(chat);
    const loads = (): number[] => [prefill, decode].map((worker) => live(worker).inflight);
    await eventually(() => expect(prefill.received.length).toBe(1));
    expect(loads()).toEqual([1, 0]);
    first.resolve();
    await eventually(() => expect(decode.received.length).toBe(1));
    expect(loads()).toEqual([0, 1]);
    second.resolve();
    await answer;
    await eventually(() => expect(loads()).toEqual([0, 0]));
  });

  test("have a selector each", async () => {
    const picked: string[] = [];
    let updates = 0;
    const room = engineRoom();
    const prefill = await Promise.all(["P1", "P2"].map((name) => openPrefill(room, { name })));
    const decode = await Promise.all(["D1", "D2"].map((name) => openDecode(room, { name })));
    const last = definePlugin({
      name: "last",
      setup: (proxy) =>
        proxy.provide("selector", "last", {
          create: () => ({
            update: () => void (updates += 1),
            pick(targets) {
              picked.push(targets.map(({ id }) => id).join(" "));
              return targets.at(-1);
            },
          }),
        }),
    });
    const { ask } = await openStage(room, [...prefill, ...decode], { options: { prefill: last() } });
    await ask(chat);
    await ask(chat);
    expect(picked).toEqual(["P1 P2", "P1 P2"]);
    expect(updates).toBe(1);
    expect(counts(...prefill, ...decode)).toEqual({ P1: 0, P2: 2, D1: 1, D2: 1 });
    room.expectNoComplaints();
  });
});
