import { alias } from "plugboard/plugins";
import { describe, expect, test } from "vitest";
import { openDecode, openUnified } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import { chat, counts, openStage } from "./_disaggregate-stage.ts";

describe("ordinary traffic", () => {
  test.each(["nixl", "sglang"] as const)("never comes to a prefill target (%s)", async (protocol) => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P", protocol });
    const decode = await openDecode(room, { name: "D", protocol });
    const unified = await openUnified(room, { name: "U", protocol });
    const { ask, url, live } = await openStage(room, [prefill, decode, unified]);
    for (let i = 0; i < 4; i++) await fetch(`${url}/v1/models`);
    for (const path of ["/v1/embeddings", "/tokenize", "/v1/chat/completions/x"]) await ask({ model: "m" }, { path });
    for (const body of ["[]", "1"]) await ask(body);
    expect(live(prefill).requests).toBe(0);
    expect([live(decode).requests, live(unified).requests].every((count) => count > 2)).toBe(true);
  });

  test("is refused where there are prefill targets only", async () => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P" });
    const { ask } = await openStage(room, [prefill]);
    expect(await ask({ model: "m" }, { path: "/v1/embeddings" })).toMatchObject({ status: 503, code: "no_targets" });
    expect(await ask(chat)).toMatchObject({ status: 503, code: "no_targets" });
    expect(counts(prefill)).toEqual({ P: 0 });
  });

  test("of two phases goes to unified targets where no pair is there, before decode alone", async () => {
    const room = engineRoom();
    const decode = await openDecode(room, { name: "D" });
    const unified = await openUnified(room, { name: "U" });
    const { ask } = await openStage(room, [decode, unified]);
    for (let i = 0; i < 3; i++) await ask(chat);
    expect(counts(decode, unified)).toEqual({ D: 0, U: 3 });
  });

  test("of two phases goes to decode alone where nothing else is there", async () => {
    const room = engineRoom();
    const decode = await openDecode(room, { name: "D" });
    const { ask } = await openStage(room, [decode]);
    expect((await ask(chat)).status).toBe(200);
    room.expectNoComplaints();
  });

  test("with a body that is no JSON is refused as such", async () => {
    const room = engineRoom();
    const workers = [await openPrefill(room, { name: "P" }), await openDecode(room, { name: "D" })];
    const { ask } = await openStage(room, workers, { resolver: false });
    expect(await ask("{")).toMatchObject({ status: 400, code: "invalid_json" });
    expect(await ask("{}", { headers: { "content-encoding": "gzip" } })).toMatchObject({
      status: 415,
      code: "unsupported_encoding",
    });
    expect(counts(...workers)).toEqual({ P: 0, D: 0 });
  });
});

describe("pairs", () => {
  test("are of one protocol", async () => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P", protocol: "sglang" });
    const decode = await openDecode(room, { name: "D", protocol: "nixl" });
    const { ask } = await openStage(room, [prefill, decode]);
    expect((await ask(chat)).status).toBe(200);
    expect(counts(prefill, decode)).toEqual({ P: 0, D: 1 });
    room.expectNoComplaints();
  });

  test("are of one model, where an alias is served by several", async () => {
    const room = engineRoom({ rewritten: ["model"] });
    const names = ["small", "large"];
    const prefill = await Promise.all(names.map((name) => openPrefill(room, { name: `P-${name}` })));
    const decode = await Promise.all(names.map((name) => openDecode(room, { name: `D-${name}` })));
    const specs = Object.fromEntries(
      [...prefill, ...decode].map(({ name }) => [name, { models: [name.slice(2)] }] as const),
    );
    const mixed = alias({ any: { targets: names.map((name) => ({ model: name })) } });
    const { ask } = await openStage(room, [...prefill, ...decode], { specs, plugins: [mixed] });
    for (let i = 0; i < 4; i++) expect((await ask({ ...chat, model: "any" })).status).toBe(200);
    for (const { name, received } of [...prefill, ...decode]) {
      expect(received.length, name).toBeGreaterThan(0);
      expect(received.map(({ json }) => json["model"])).toEqual(received.map(() => name.slice(2)));
    }
    room.expectNoComplaints();
  });
});

describe("what a client says of handles, rooms and prefill targets", () => {
  const stolen = String.raw`{"model":"m","kv_transfer_params":{"remote_host":"10.0.0.1"},"messages":[{"role":"user","content":"hello"}],"bootstrap_host":"10.0.0.1","\u006bv_transfer_params":{"remote_port":1},"bootstrap_port":1,"bootstrap_room":[1],"max_tokens":3}`;
  const headers = {
    "x-prefiller-host-port": "10.0.0.1:1",
    "x-prefiller-url": "http://10.0.0.1:1",
    "x-data-parallel-rank": "1",
  };

  test.each(["nixl", "sglang"] as const)("reaches no target, in whatever phase (%s)", async (protocol) => {
    const room = engineRoom();
    const prefill = await openPrefill(room, { name: "P", protocol });
    const decode = await openDecode(room, { name: "D", protocol });
    const unified = await openUnified(room, { name: "U", protocol });
    const { ask } = await openStage(room, [prefill, decode, unified]);
    expect((await ask(stolen, { headers })).status).toBe(200);
    prefill.next({ status: 400 });
    expect((await ask(stolen, { headers })).status).toBe(200);
    // A decode target of SGLang takes nothing but second phases.
    if (protocol === "nixl") for (let i = 0; i < 2; i++) await ask(stolen, { headers, path: "/v1/embeddings" });
    expect(unified.received.length).toBeGreaterThan(0);
    room.expectNoComplaints();
  });

  test("is passed on to a decode target when clients are trusted", async () => {
    const room = engineRoom({ trusted: true, anyRequestId: true });
    const workers = [await openPrefill(room, { name: "P" }), await openDecode(room, { name: "D" })];
    const { ask } = await openStage(room, workers, { options: { trust: true } });
    expect((await ask(stolen, { headers })).status).toBe(200);
    expect(counts(...workers)).toEqual({ P: 0, D: 1 });
    expect(workers[1]?.received[0]?.text).toBe(stolen);
    expect(workers[1]?.received[0]?.headers).toMatchObject(headers);
  });

  test("is nothing special from a trusted client that says nothing", async () => {
    const room = engineRoom({ trusted: true });
    const workers = [await openPrefill(room, { name: "P" }), await openDecode(room, { name: "D" })];
    const { ask } = await openStage(room, workers, { options: { trust: true } });
    expect((await ask(chat)).status).toBe(200);
    expect(counts(...workers)).toEqual({ P: 1, D: 1 });
    room.expectNoComplaints();
  });
});
