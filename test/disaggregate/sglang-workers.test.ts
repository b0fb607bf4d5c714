import { describe, expect, test } from "vitest";
import { within } from "../wire/waiting.ts";
import { ask, twoPhases, withMember } from "./ask.ts";
import { openDecode } from "./decode-worker.ts";
import { type EngineRoom, engineRoom } from "./engine-room.ts";
import { openPrefill } from "./prefill-worker.ts";
import { batchSize } from "./sglang-checks.ts";
import type { Worker } from "./worker.ts";

interface Stage {
  readonly room: EngineRoom;
  readonly prefill: Worker;
  readonly decode: Worker;
}

async function stage(bootstrapPort: number | null = 8998): Promise<Stage> {
  const room = engineRoom();
  const prefill = await openPrefill(room, { name: "P", protocol: "sglang", bootstrapPort });
  return { room, prefill, decode: await openDecode(room, { name: "D", protocol: "sglang" }) };
}

function told(room: EngineRoom): string[] {
  return room.complaints.map(({ worker, field, got }) => `${worker} ${field}: ${got}`);
}

const path = "/generate";
const own = `{"text" : "Sag \\u00fc","sampling_params":{"max_new_tokens":2}}`;
const largest = "9223372036854775807";

function bootstrap(room: string, host = '"127.0.0.1"', port = "8998"): string {
  return `"bootstrap_host":${host},"bootstrap_port":${port},"bootstrap_room":${room}`;
}

/** Sends both at once; the answers, the prefill worker's first. */
function both({ prefill, decode, room }: Stage, body: string, client = own, at = path): Promise<[string, string]> {
  const { headers } = twoPhases(room, client, at);
  const asked = { path: at, headers, body };
  return within(Promise.all([ask(prefill, asked), ask(decode, asked)]), "both answers");
}

test("the largest room there is brings both workers together", async () => {
  const it = await stage();
  const [, decoded] = await both(it, withMember(own, bootstrap(largest)));
  it.room.expectNoComplaints();
  expect(JSON.parse(decoded)).toMatchObject({ text: "DD", meta_info: { completion_tokens: 2 } });
  expect(it.room.meetings.all).toMatchObject([{ rooms: [largest], prefill: { worker: "P" }, decode: { worker: "D" } }]);
  expect(it.room.meetings.lone()).toEqual([]);
});

test("a prefill worker without a bootstrap port is named with null", async () => {
  const it = await stage(null);
  await both(it, withMember(own, bootstrap("0", undefined, "null")));
  it.room.expectNoComplaints();
});

test("the decode worker waits for the prefill worker of its room, and for no other", async () => {
  const it = await stage();
  const { headers } = twoPhases(it.room, own, path);
  const leave = new AbortController();
  const alone = ask(it.decode, { path, headers, body: withMember(own, bootstrap("1")), signal: leave.signal });
  await both(it, withMember(own, bootstrap("2")));
  expect(it.decode.load.now).toBe(1);
  leave.abort();
  await expect(alone).rejects.toThrow("aborted");
  expect(it.room.meetings.lone()).toMatchObject([{ rooms: ["1"], prefill: undefined }]);
  it.room.expectNoComplaints();
});

test("a decode worker whose prefill worker failed hangs", async () => {
  const it = await stage();
  const { headers } = twoPhases(it.room, own, path);
  const body = withMember(own, bootstrap("3"));
  const leave = new AbortController();
  it.prefill.next({ status: 500 });
  const decoded = ask(it.decode, { path, headers, body, signal: leave.signal });
  expect(await ask(it.prefill, { path, headers, body })).toContain("as scripted");
  await expect.poll(() => it.room.meetings.all.length).toBe(1);
  expect(it.decode.load.now).toBe(1);
  leave.abort();
  await expect(decoded).rejects.toThrow("aborted");
});

test("a batch has a host, a port and a room for each of its requests", async () => {
  const it = await stage();
  const client = `{"prompt":["a","b"],"max_tokens":1}`;
  const [hosts, ports] = [`["127.0.0.1","127.0.0.1"]`, "[8998,8998]"];
  await both(it, withMember(client, bootstrap(`[${largest}, 5]`, hosts, ports)), client, "/v1/completions");
  it.room.expectNoComplaints();
  expect(it.room.meetings.all).toMatchObject([{ rooms: [largest, "5"] }]);
});

test.each([
  ["a chat of several choices", { messages: [], n: 3 }, 3],
  ["a chat of one choice", { messages: [], n: 1 }, undefined],
  ["a list of prompts", { prompt: ["a"] }, 1],
  ["a list of token lists", { prompt: [[1], [2]] }, 2],
  ["a list of tokens", { prompt: [1, 2] }, undefined],
  ["one text", { text: "a", n: 3 }, undefined],
  ["a list of texts", { text: ["a", "b"] }, 2],
  ["a list of input ids", { input_ids: [[1], [2], [3]] }, 3],
  ["one list of input ids", { input_ids: [1, 2] }, undefined],
])("%s is a batch of as many as the engine makes of it", (_, json, expected) => {
  expect(batchSize(json)).toBe(expected);
});

describe("both workers complain", () => {
  const wrong: readonly [name: string, members: string, complaints: readonly string[]][] = [
    ["of another host", bootstrap("7", '"10.0.0.1"'), ['P bootstrap_host: "10.0.0.1"']],
    ["of another port", bootstrap("7", undefined, "8999"), ["P bootstrap_port: 8999"]],
    [
      "of a port that is none",
      bootstrap("7", undefined, '"8998"'),
      ['P bootstrap_port: "8998"', 'D bootstrap_port: "8998"'],
    ],
    ["of a room that is no integer", bootstrap("1.5"), ["P bootstrap_room: 1.5", "D bootstrap_room: 1.5"]],
    ["of a negative room", bootstrap("-1"), ["P bootstrap_room: -1", "D bootstrap_room: -1"]],
    [
      "of a room of 2^63",
      bootstrap("9223372036854775808"),
      ["P bootstrap_room: 9223372036854775808", "D bootstrap_room: 9223372036854775808"],
    ],
    ["of a room in exponents", bootstrap("9e18"), ["P bootstrap_room: 9e18", "D bootstrap_room: 9e18"]],
    ["of a list for one request", bootstrap("[7]"), ["P bootstrap_room: [7]", "D bootstrap_room: [7]"]],
    [
      "of two rooms",
      `${bootstrap("7")},"bootstrap_room":7`,
      ["P bootstrap_room: 7 and 7", "D bootstrap_room: 7 and 7"],
    ],
    [
      "of a handle of the other protocol",
      `${bootstrap("7")},"kv_transfer_params":{}`,
      ["P kv_transfer_params: {}", "D kv_transfer_params: {}"],
    ],
    ["of a member that nobody sent", `${bootstrap("7")},"user":"x"`, ['P user: "user":"x"', 'D user: "user":"x"']],
  ];
  test.each(wrong)("%s", async (_, members, complaints) => {
    const it = await stage();
    await both(it, withMember(own, members));
    expect(told(it.room).toSorted()).toEqual(complaints.toSorted());
  });

  test("of a batch that names the prefill worker once, or a room twice", async () => {
    const it = await stage();
    const client = `{"prompt":["a","b"],"max_tokens":1}`;
    await both(it, withMember(client, bootstrap("[1,1]")), client, "/v1/completions");
    const each = [`bootstrap_host: "127.0.0.1"`, "bootstrap_port: 8998", "bootstrap_room: [1,1]"];
    expect(told(it.room).toSorted()).toEqual([...each.map((line) => `D ${line}`), ...each.map((line) => `P ${line}`)]);
  });
});

test("a request without a room is refused by both, with a complaint", async () => {
  const it = await stage();
  const [prefilled, decoded] = await both(it, own);
  for (const answer of [prefilled, decoded]) expect(answer).toContain("as scripted");
  const each = ["bootstrap_host: nothing", "bootstrap_port: nothing", "bootstrap_room: nothing"];
  expect(told(it.room).toSorted()).toEqual([...each.map((line) => `D ${line}`), ...each.map((line) => `P ${line}`)]);
});

test("headers that a client must not choose bring a complaint, and so does an id that is no uuid", async () => {
  const it = await stage();
  const { headers } = twoPhases(it.room, own, path);
  const body = withMember(own, bootstrap("7"));
  const asked = { path, headers: { ...headers, "x-request-id": "7", "x-data-parallel-rank": "1" }, body };
  await within(Promise.all([ask(it.prefill, asked), ask(it.decode, asked)]), "both answers");
  const each = ["x-data-parallel-rank: 1", "x-request-id: 7"];
  expect(told(it.room).toSorted()).toEqual([...each.map((line) => `D ${line}`), ...each.map((line) => `P ${line}`)]);
});

test("a room that was used before brings a complaint", async () => {
  const it = await stage();
  const body = withMember(own, bootstrap("7"));
  await both(it, body);
  await both(it, body);
  expect(told(it.room)).toEqual([expect.stringMatching(/^[PD] bootstrap_room: 7$/)]);
});

test("bodies, paths and request ids that differ bring a complaint", async () => {
  const it = await stage();
  const body = withMember(own, bootstrap("7"));
  const one = { path, headers: { "x-request-id": twoPhases(it.room).requestId }, body };
  const other = {
    path: "/v1/completions",
    headers: { "x-request-id": twoPhases(it.room).requestId },
    body: `${body} `,
  };
  await within(Promise.all([ask(it.prefill, one), ask(it.decode, other)]), "both answers");
  expect(it.room.complaints.map(({ worker, field }) => `${worker} ${field}`)).toEqual([
    "D body",
    "D path",
    "D x-request-id",
  ]);
});

test("each side tells its own logprobs, whole and in every piece of a stream", async () => {
  const it = await stage();
  const client = withMember(own, '"return_logprob":true');
  const [prefilled, decoded] = await both(it, withMember(client, bootstrap("1")), client);
  expect(prefilled).toContain(`"input_token_logprobs":[[null,9906,null],[-0.5,1917,null]]`);
  expect(decoded).toContain(`"input_token_logprobs":[[-0.75,0,null]]`);
  const streamed = withMember(client, '"stream":true');
  const [, events] = await both(it, withMember(streamed, bootstrap("2")), streamed);
  expect(events.match(/"input_token_logprobs":\[\[-0\.75,0,null\]\]/g)).toHaveLength(2);
  it.room.expectNoComplaints();
});
