import type { Exchange } from "../contract/exchange.ts";
import { fakeExchange, fakeTargets } from "./fakes.ts";
import type { Test } from "./plugin.ts";
import type { Fresh } from "./selector-play.ts";
import { checkExplained, checkScored } from "./selector-scores.ts";

/** Requests of clients that mean no good, or know no better. */
export function hostile(test: Test, fresh: Fresh): void {
  const cases: readonly (readonly [string, readonly Partial<Exchange>[]])[] = [
    ["bodies that are missing, empty or not JSON", [{ body: undefined }, ...raw.map((text) => posted(text))]],
    ["JSON bodies of any shape", json.map((value) => posted(JSON.stringify(value)))],
    ["a body of a megabyte, and one nested a thousand times", large()],
    ["headers, models, addresses and paths of any kind", heads],
  ];
  for (const [what, exchanges] of cases) {
    test(`picks for ${what}`, async () => {
      const targets = fakeTargets(4);
      const play = await fresh(targets);
      for (const fields of exchanges) {
        checkExplained(play.selector, targets, [], fakeExchange(fields));
        checkScored(play.selector, targets, [], fakeExchange(fields));
        play.picks(targets, 5, () => fakeExchange(fields));
        play.hold(targets, 5, () => fakeExchange(fields));
      }
      play.picks(targets, 20);
    });
  }
}

const raw: readonly string[] = ["", " ", "{", '{"messages":[', "\u0000", "data: {}", "a=b&c=d", "\uFEFF{}"];

const parts: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  "",
  "text",
  [],
  {},
  [null],
  [[]],
  [1, 2, 3],
  [{}],
  [{ role: "user" }],
  [{ role: 1, content: null }],
  [{ role: "user", content: [null, 1, "a", {}, { type: "text" }, { type: "text", text: 5 }] }],
  { role: "user", content: "text" },
  { length: 3 },
];

/** Each in place of the body, and in place of each field that the model APIs have and selectors look at. */
const json: readonly unknown[] = [
  ...parts,
  ...parts.flatMap((part) => [
    { messages: part, system: part, tools: part },
    { prompt: part, input: part, text: part },
    { model: part, user: part, session_id: part, prompt_cache_key: part, metadata: part },
    { max_tokens: part, max_completion_tokens: part, max_output_tokens: part, n: part, stream: part },
    { cache_type: part, cache_control: part, extra_body: part, conversation: part },
  ]),
  Object.fromEntries(["constructor", "toString", "hasOwnProperty"].map((name) => [name, null])),
  JSON.parse('{"__proto__":{"messages":1},"model":"__proto__"}'),
];

const heads: readonly Partial<Exchange>[] = [
  { headers: {} },
  { headers: { "x-forwarded-for": "", "user-agent": "", cookie: "", authorization: "" } },
  { headers: { "x-forwarded-for": ", ,\t,", "user-agent": "\u00ff".repeat(8_000), cookie: "=;;=;" } },
  { headers: { "set-cookie": [], "content-length": "NaN", "content-type": "application/json" } },
  { headers: { "x-session-id": ["a", "b"], "x-priority": "__proto__", "session-id": undefined } },
  { model: "" },
  { model: "__proto__" },
  { model: "m".repeat(10_000) },
  { ip: undefined },
  { ip: "" },
  { ip: "::ffff:127.0.0.1%lo" },
  { method: "OPTIONS", path: "*", search: "" },
  { path: `/${"a/".repeat(4_000)}`, search: `?${"a&".repeat(4_000)}` },
  { path: "/%", search: "?%E0%A4%A" },
  { id: "" },
];

function large(): Partial<Exchange>[] {
  const deep = `${'{"messages":['.repeat(1_000)}${"]}".repeat(1_000)}`;
  const long = "word ".repeat(200_000);
  return [
    posted(deep),
    posted(JSON.stringify({ messages: [{ role: "user", content: long }] })),
    posted(JSON.stringify({ prompt: long })),
    posted(JSON.stringify({ messages: Array.from({ length: 20_000 }, () => ({ role: "user", content: "hello" })) })),
  ];
}

function posted(text: string): Partial<Exchange> {
  const body = new TextEncoder().encode(text);
  const headers = { "content-type": "application/json", "content-length": `${body.length}` };
  return { method: "POST", path: "/v1/chat/completions", headers, body };
}
