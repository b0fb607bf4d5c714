import { describe, expect, test } from "vitest";
import { mergeNixl, mergeSglang } from "../../../plugins/resolve/_disaggregate-logprobs.ts";
import type { Protocol } from "../../disaggregate/received.ts";
import { deferred } from "../../wire/waiting.ts";
import { openPair, type Pair } from "./_disaggregate-pair.ts";
import { chat } from "./_disaggregate-stage.ts";

function openOf(protocol: Protocol): Promise<Pair> {
  return openPair({}, { protocol });
}

describe("NIXL: what only the prefill target knows of the prompt is put into the answer", () => {
  test("of completions: an echo has the prompt's tokens before the decode target's", async () => {
    const { ask, decode } = await openOf("nixl");
    const body = { model: "m", prompt: "Say a word", max_tokens: 2, logprobs: 1, echo: true };
    const { text } = await ask(body, { path: "/v1/completions", headers: { "accept-encoding": "gzip" } });
    const [choice] = (JSON.parse(text) as { choices: Record<string, unknown>[] }).choices;
    // What is to be merged must not come compressed.
    expect(decode.received[0]?.headers["accept-encoding"]).toBeUndefined();
    expect(choice).toMatchObject({
      logprobs: {
        tokens: ["Say", " a", " word", "D", "D"],
        text_offset: [0, 3, 5, 10, 11],
        token_logprobs: [-0.125, -0.25, -0.375, -0.125, -0.25],
      },
      prompt_logprobs: [null, { "11": { logprob: -0.5, rank: 1 } }, { "12": { logprob: -0.25, rank: 2 } }],
    });
  });

  test("of chats: prompt_logprobs", async () => {
    const { ask } = await openOf("nixl");
    const { text } = await ask({ ...chat, prompt_logprobs: 1 });
    expect(JSON.parse(text)).toMatchObject({ prompt_logprobs: [null, {}, {}], choices: [{ message: {} }] });
  });

  test.each([
    ["a request that asks for none", { model: "m", prompt: "Say", max_tokens: 2 }],
    ["a stream", { model: "m", prompt: "Say", max_tokens: 2, logprobs: 1, echo: true, stream: true }],
  ])("and not into that of %s", async (_what, body) => {
    const { ask } = await openOf("nixl");
    const { text } = await ask(body, { path: "/v1/completions" });
    expect(text).not.toContain("Say");
  });

  test("letter by letter, but for offsets, which count on in code points", () => {
    const prefill = `{"choices":[{"prompt_logprobs":[null, -1e-05 ],"logprobs":{"tokens":["H","\\ud83d\\ude00","x"],"text_offset":[0,1,2],"token_logprobs":[null,-1.0,-9]}}]}`;
    const decode = `{"id":12345678901234567890,"choices":[ {"text":"y" ,"logprobs":{"tokens":["y"],"text_offset":[0],"token_logprobs":[-2.50]}} ]}`;
    expect(String(mergeNixl(Buffer.from(prefill), Buffer.from(decode)))).toBe(
      `{"id":12345678901234567890,"choices":[{"text":"y" ,"logprobs":{"tokens":["H","\\ud83d\\ude00","y"],"text_offset":[0,1,2],"token_logprobs":[null,-1.0,-2.50]},"prompt_logprobs":[null, -1e-05 ]}]}`,
    );
  });

  test("unless the decode target knows it too", () => {
    const prefill = `{"prompt_logprobs":[1],"choices":[{"prompt_logprobs":[1],"logprobs":{"tokens":["a","b"]}}]}`;
    const decode = `{"prompt_logprobs":[2],"choices":[{"prompt_logprobs":[2],"logprobs":{"tokens":["a","c"]}}]}`;
    expect(String(mergeNixl(Buffer.from(prefill), Buffer.from(decode)))).toBe(decode);
  });

  test.each(["[]", "{}", '{"choices":[{}]}', '{"choices":[{"logprobs":null}]}', '{"choices":null}', '""', ""])(
    "an answer like %s is left alone",
    (decode) => {
      const prefill = Buffer.from(`{"choices":[{"prompt_logprobs":null,"logprobs":{"tokens":["a"]}}]}`);
      expect(String(mergeNixl(prefill, Buffer.from(decode)))).toBe(decode);
    },
  );
});

const merged = [
  [null, 9906, null],
  [-0.5, 1917, null],
  [-0.75, 0, null],
];

interface Told {
  readonly meta_info: { readonly input_token_logprobs: unknown };
}

describe("SGLang: input_token_logprobs of the prefill target stand before the decode target's", () => {
  const body = { text: "Say a word", return_logprob: true, sampling_params: { max_new_tokens: 3 } };

  test("in an answer", async () => {
    const { ask } = await openOf("sglang");
    const { text } = await ask(body, { path: "/generate" });
    expect((JSON.parse(text) as Told).meta_info.input_token_logprobs).toEqual(merged);
  });

  test("in each event of a stream", async () => {
    const { room, ask, live, prefill, decode } = await openOf("sglang");
    const gate = deferred();
    decode.next({ gate: (piece) => (piece === 1 ? gate.promise : Promise.resolve()) });
    const answer = ask({ ...body, stream: true }, { path: "/generate" });
    await expect.poll(() => live(prefill)).toMatchObject({ inflight: 0, requests: 1 });
    gate.resolve();
    const events = (await answer).text.split("\n\n");
    expect(events.splice(-2)).toEqual(["data: [DONE]", ""]);
    const told = events.map((event) => (JSON.parse(event.replace("data: ", "")) as Told).meta_info);
    expect(told.map((meta) => meta.input_token_logprobs)).toEqual([merged, merged, merged]);
    room.expectNoComplaints();
  });

  test("and not where nobody asked for them", async () => {
    const { ask } = await openOf("sglang");
    const { text } = await ask({ text: "Say a word" }, { path: "/generate" });
    expect(text).not.toContain("input_token_logprobs");
  });

  test("in each answer of a list, letter by letter", () => {
    const one = (logprobs: string): string => `{"text":"x", "meta_info":{"input_token_logprobs":${logprobs},"id":"1"}}`;
    const prefill = Buffer.from(`[${one("[[null,1,null]]")},${one("[[-1e-9,2,null]]")}]`);
    const decode = Buffer.from(`[${one("[]")},${one("[[-0.50,3,null]]")}]`);
    expect(String(mergeSglang(prefill, decode))).toBe(
      `[${one("[[null,1,null]]")},${one("[[-1e-9,2,null],[-0.50,3,null]]")}]`,
    );
  });
});
