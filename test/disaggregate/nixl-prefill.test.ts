import { describe, expect, test } from "vitest";
import { ask, type Ask, prefillBody, prefillParams, twoPhases, withMember } from "./ask.ts";
import { nixlStage, prefilled, told } from "./nixl-stage.ts";

describe("a prefill worker complains", () => {
  const wrong: readonly [name: string, ask: Partial<Ask>, complaint: string][] = [
    ["of another path", { path: "/v1/chat/completions" }, "P path: /v1/chat/completions"],
    ["of a stream", { body: prefillBody.replace('"stream" :false', '"stream" :true') }, "P stream: true"],
    [
      "when nothing says that it is no stream",
      { body: prefillBody.replace('"stream" :false,', "") },
      "P stream: nothing",
    ],
    ["of stream options", { body: withMember(prefillBody, '"stream_options":{}') }, "P stream_options: {}"],
    ["of more than one token", { body: prefillBody.replace('"max_tokens":1', '"max_tokens":3') }, "P max_tokens: 3"],
    ["of no limit", { body: prefillBody.replace('"max_tokens":1,', "") }, "P max_tokens: nothing"],
    [
      "of a limit of 1.0 of the other name",
      { body: withMember(prefillBody, '"max_completion_tokens":2') },
      "P max_completion_tokens: 2",
    ],
    ["of more tokens at least than at most", { body: withMember(prefillBody, '"min_tokens":2') }, "P min_tokens: 2"],
    [
      "of a sixth field that is not there",
      { body: prefillBody.replace(',"remote_port":null', "") },
      "P kv_transfer_params: {",
    ],
    [
      "of a field that is not among the six",
      { body: prefillBody.replace('"remote_port"', '"tp_size":1,"remote_port"') },
      "P kv_transfer_params: {",
    ],
    ["of an ordinary request", { body: prefillBody.replace(`,${prefillParams}`, "") }, "P kv_transfer_params: nothing"],
    ["of a second handle", { body: withMember(prefillBody, prefillParams) }, "P kv_transfer_params: {"],
    [
      "of a handle of the other protocol",
      { body: withMember(prefillBody, '"bootstrap_host":"10.0.0.1"') },
      'P bootstrap_host: "10.0.0.1"',
    ],
    [
      "of a number spelt anew",
      { body: prefillBody.replace("12345678901234567890", "12345678901234567000") },
      'P seed: "seed":12345678901234567000',
    ],
    ["of an escape spelt anew", { body: prefillBody.replace("\\u00fc", "ü") }, 'P prompt: "prompt":"Sag ü"'],
    [
      "of a member that is gone",
      { body: prefillBody.replace('"model" : "m", ', "") },
      'P model: "prompt":"Sag \\u00fc"',
    ],
    ["of a member that nobody sent", { body: withMember(prefillBody, '"user":"x"') }, 'P user: "user":"x"'],
    [
      "of a header that names a prefill worker",
      { headers: { "x-prefiller-host-port": "10.0.0.1:1" } },
      "P x-prefiller-host-port: 10.0.0.1:1",
    ],
    ["of a rank that a client chose", { headers: { "x-data-parallel-rank": "1" } }, "P x-data-parallel-rank: 1"],
    ["of a request id that is no uuid", { headers: { "x-request-id": "cmpl-1" } }, "P x-request-id: cmpl-1"],
    ["of another method", { method: "PUT" }, "P method: PUT"],
  ];
  test.each(wrong)("%s", async (_, { headers, ...asked }, complaint) => {
    const it = await nixlStage();
    const phases = twoPhases(it.room);
    await ask(it.prefill, { body: prefillBody, ...asked, headers: { ...phases.headers, ...headers } });
    expect(told(it.room)[0]).toContain(complaint);
    expect(() => it.room.expectNoComplaints()).toThrow(complaint.slice(2).split(":")[0]);
  });

  test("of a request id that another request has", async () => {
    const it = await nixlStage();
    const first = twoPhases(it.room);
    await prefilled(it, first.headers);
    await prefilled(it, { ...twoPhases(it.room).headers, "x-request-id": first.requestId });
    expect(told(it.room)).toEqual(["P x-request-id: that of client request 1"]);
  });

  test("of limits that are not those of the path", async () => {
    const it = await nixlStage();
    const chat = `{"messages":[],"stream":false,"max_tokens":1,${prefillParams}}`;
    await ask(it.prefill, {
      path: "/v1/chat/completions",
      headers: { "x-request-id": twoPhases(it.room).requestId },
      body: chat,
    });
    await ask(it.prefill, {
      path: "/v1/responses",
      headers: { "x-request-id": twoPhases(it.room).requestId },
      body: chat,
    });
    const generate = `{"sampling_params":{"min_tokens":2},"stream":false,${prefillParams}}`;
    await ask(it.prefill, {
      path: "/inference/v1/generate",
      headers: { "x-request-id": twoPhases(it.room).requestId },
      body: generate,
    });
    expect(told(it.room)).toEqual([
      "P max_completion_tokens: nothing",
      "P max_output_tokens: nothing",
      "P sampling_params.max_tokens: nothing",
      "P sampling_params.min_tokens: 2",
    ]);
  });

  test("of sampling parameters that are not the client's", async () => {
    const it = await nixlStage();
    const path = "/inference/v1/generate";
    const body = '{"token_ids":[1],"sampling_params":{"max_tokens":9,"min_tokens":2,"top_k":3},"stream":true}';
    const { headers } = twoPhases(it.room, body, path);
    const phase = (sampling: string): string =>
      `{"token_ids":[1],"sampling_params":${sampling},"stream":false,${prefillParams}}`;
    await ask(it.prefill, { path, headers, body: phase('{"max_tokens":1,"top_k":3}') });
    expect(told(it.room)).toEqual([]);
    await ask(it.prefill, { path, headers, body: phase('{"max_tokens":1,"top_k":4}') });
    expect(told(it.room)).toEqual(['P sampling_params: {"top_k":4}']);
  });
});
