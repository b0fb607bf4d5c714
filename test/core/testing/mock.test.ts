import { expect, test } from "vitest";
import type { Plugin } from "plugboard";
import { testMock } from "plugboard/testing";
import {
  type Answer,
  chat,
  chunk,
  count,
  done,
  embeddings,
  events,
  type Fault,
  mocks,
  type Question,
  role,
  said,
  stop,
  usage,
} from "./tiny-mock.ts";

function casesOf(create: () => Plugin): Map<string, () => unknown> {
  const cases = new Map<string, () => unknown>();
  testMock({ test: (name, run) => cases.set(name, run), create });
  return cases;
}

/** Another answer where the path, and what else is asked, is this. */
function at(path: string, answer: (request: Question) => Answer | undefined): Fault {
  return { answer: (asked, request) => (asked === path ? answer(request) : undefined) };
}

const chats = "/v1/chat/completions";
const streamed = (...list: string[]): Fault =>
  at(chats, ({ stream }) => (stream === true ? events(...list) : undefined));
const answering = (body: object): Fault =>
  at(chats, ({ messages, model }) => (messages === undefined || model !== "m" ? undefined : { body }));

function counting(): Fault {
  let asked = 0;
  const choices = (): object[] => [{ message: { role: "assistant", content: `a ${asked++}` }, finish_reason: "stop" }];
  return at(chats, () => ({ body: { ...chat, choices: choices() } }));
}

const plainly = "answers a chat completion in OpenAI's shape, the same request in the same way";
const streams = "streams the same answer as server-sent events";
const noUsage = "streams no usage to those who did not ask for it";
const embeds = "gives the same embeddings as numbers and in base64";
const lists = "lists its models, and is well";
const refuses = "refuses what it cannot answer, in OpenAI's error shape";
const reloads = "keeps its target ids over a reload, and closes the old backends";
const closes = "leaves no port open after the proxy closed, and closes twice";
const apart = "serves two proxies at once, each with backends of its own";
const checks = "names its targets and opens no socket in mode check";

// The smallest mock that is right.
testMock({ test: (name, run) => test(`a tiny mock ${name}`, run), create: mocks() });

test.each<[string, string, Fault]>([
  ["answers with another object", plainly, answering({ ...chat, object: "text_completion" })],
  ["answers as another model", plainly, answering({ ...chat, model: "n" })],
  [
    "says nothing",
    plainly,
    answering({
      ...chat,
      choices: [{ message: { role: "assistant", content: "" }, finish_reason: "stop" }],
    }),
  ],
  ["does not finish", plainly, answering({ ...chat, choices: [{ ...chat.choices[0], finish_reason: null }] })],
  ["cannot add", plainly, answering({ ...chat, usage: { ...usage, total_tokens: 4 } })],
  [
    "does not count",
    plainly,
    answering({ ...chat, usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }),
  ],
  ["answers differently each time", plainly, counting()],
  [
    "streams as JSON",
    streams,
    at(chats, ({ stream }) =>
      stream === true ? { ...events(role, said, stop, count, done), type: "application/json" } : undefined,
    ),
  ],
  ["never says DONE", streams, streamed(role, said, stop, count)],
  ["forgets the last blank line", streams, streamed(role, said, stop, count, "data: [DONE]")],
  ["streams without a role", streams, streamed(said, stop, count, done)],
  ["streams another text", streams, streamed(role, said, said, stop, count, done)],
  ["streams no finish", streams, streamed(role, said, count, done)],
  ["finishes twice", streams, streamed(role, said, stop, stop, count, done)],
  ["streams no usage when asked", streams, streamed(role, said, stop, done)],
  [
    "streams another usage",
    streams,
    streamed(role, said, stop, chunk(undefined, { usage: { ...usage, total_tokens: 9 } }), done),
  ],
  ["streams whole answers", streams, streamed(role.replace(".chunk", ""), said, stop, count, done)],
  ["streams usage unasked", noUsage, streamed(role, said, stop, count, done)],
  ["embeds all alike", embeds, at("/v1/embeddings", (request) => embeddings({ ...request, input: ["same", "same"] }))],
  ["embeds nothing", embeds, at("/v1/embeddings", (request) => embeddings({ ...request, input: ["", ""] }))],
  ["knows no base64", embeds, at("/v1/embeddings", (request) => embeddings({ ...request, encoding_format: "float" }))],
  [
    "embeds otherwise in base64",
    embeds,
    at("/v1/embeddings", (request) => embeddings({ ...request, input: [`${request.encoding_format}1`, "two"] })),
  ],
  ["lists bare names", lists, at("/v1/models", () => ({ body: { object: "list", data: [{ id: "m" }] } }))],
  ["lists no list", lists, at("/v1/models", () => ({ body: { data: [{ id: "m", object: "model" }] } }))],
  ["is sick", lists, at("/health", () => ({ status: 503, body: {} }))],
  ["is well in words", lists, at("/health", () => ({ body: '"ok"' }))],
  ["takes a broken body", refuses, at("bad json", () => ({ body: chat }))],
  [
    "takes a request without messages",
    refuses,
    at(chats, ({ messages }) => (messages === undefined ? { body: chat } : undefined)),
  ],
  ["takes any model", refuses, at(chats, ({ model }) => (model === "m" ? undefined : { body: chat }))],
  ["refuses in a shape of its own", refuses, at("bad json", () => ({ status: 400, body: { detail: "no" } }))],
  ["gives new ids to a new generation", reloads, { life: "changes ids" }],
  ["leaves old backends open", reloads, { life: "leaks" }],
  ["leaves its server open", closes, { life: "leaks" }],
  ["has one server for all", apart, { life: "shares" }],
  ["opens its server in mode check", checks, { life: "opens in check" }],
  ["has no ids", checks, { life: "no ids" }],
])("a mock that %s does not pass: %s", async (_fault, law, fault) => {
  await expect(casesOf(mocks(fault)).get(law)?.()).rejects.toThrow();
});

test("every law has a mock above that breaks it", () => {
  const laws = [plainly, streams, noUsage, embeds, lists, refuses, reloads, closes, apart, checks];
  expect([...casesOf(mocks()).keys()].toSorted()).toEqual(laws.toSorted());
});
