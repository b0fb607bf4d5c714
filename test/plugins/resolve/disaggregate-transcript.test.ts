import { expect, test } from "vitest";
import { openDecode } from "../../disaggregate/decode-worker.ts";
import { engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import { openStage, transcript } from "./_disaggregate-stage.ts";

/** Numbers, escapes and spaces that a copy keeps and a rewritten body loses. */
const body = String.raw`{"model":"m", "messages":[{"role":"user","content":"Gr\u00fc\u00dfe"}],"stream" : true,"stream_options":{"include_usage":true},"max_tokens":3,"min_tokens":2,"seed":12345678901234567890,"temperature":1.0}`;

test("NIXL, byte for byte: one token on the prefill worker, then the client's request with the handle", async () => {
  const room = engineRoom();
  const prefill = await openPrefill(room, { name: "P" });
  const decode = await openDecode(room, { name: "D" });
  const { ask } = await openStage(room, [prefill, decode]);
  const { status, text } = await ask(body, { headers: { accept: "text/event-stream" } });
  expect(status).toBe(200);
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  room.expectNoComplaints();
  expect(transcript(prefill, decode)).toMatchInlineSnapshot(`
    "P POST /v1/chat/completions
    x-request-id: <uuid>
    accept: application/json
    {"model":"m", "messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe"}],"stream" : false,"max_tokens":1,"seed":12345678901234567890,"temperature":1.0,"max_completion_tokens":1,"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}}

    D POST /v1/chat/completions
    x-request-id: <uuid>
    accept: text/event-stream
    {"model":"m", "messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe"}],"stream" : true,"stream_options":{"include_usage":true},"max_tokens":3,"min_tokens":2,"seed":12345678901234567890,"temperature":1.0,"kv_transfer_params":{ "do_remote_prefill":true,"do_remote_decode" : false,	"remote_block_ids":[[9007199254740993,1],[ ]],"remote_engine_id":"engine\\/\\u0061 }]\\"{ ü","remote_request_id":"cmpl-<uuid>-1","remote_host":"127.0.0.1","remote_port":5600,"tp_size":1.0,"dcp_size":1,"pp_size":1,"remote_num_tokens":1e1,"remote_blocks_expiry_time":null,"transfer_mode":"pull","later":18446744073709551617,"later":-0 }}"
  `);
});

test("SGLang, byte for byte: the same request to both, with a room to meet in", async () => {
  const room = engineRoom();
  const prefill = await openPrefill(room, { name: "P", protocol: "sglang" });
  const decode = await openDecode(room, { name: "D", protocol: "sglang" });
  const { ask } = await openStage(room, [prefill, decode]);
  const { status, text } = await ask(body, { headers: { accept: "text/event-stream" } });
  expect(status).toBe(200);
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  room.expectNoComplaints();
  expect(transcript(prefill, decode)).toMatchInlineSnapshot(`
    "P POST /v1/chat/completions
    x-request-id: <uuid>
    accept: text/event-stream
    {"model":"m", "messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe"}],"stream" : true,"stream_options":{"include_usage":true},"max_tokens":3,"min_tokens":2,"seed":12345678901234567890,"temperature":1.0,"bootstrap_host":"127.0.0.1","bootstrap_port":8998,"bootstrap_room":<room>}

    D POST /v1/chat/completions
    x-request-id: <uuid>
    accept: text/event-stream
    {"model":"m", "messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe"}],"stream" : true,"stream_options":{"include_usage":true},"max_tokens":3,"min_tokens":2,"seed":12345678901234567890,"temperature":1.0,"bootstrap_host":"127.0.0.1","bootstrap_port":8998,"bootstrap_room":<room>}"
  `);
});
