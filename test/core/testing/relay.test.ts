import { expect, test } from "vitest";
import { definePlugin, type Exchange, type Plugin, type ProxyError, type Relay } from "plugboard";
import { testRelay } from "plugboard/testing";

function relaying(makeRelay: (x: Exchange) => Relay): () => Plugin {
  return definePlugin({
    name: "relaying",
    setup: (proxy) => proxy.provide("relay", "relaying", { match: () => true, create: makeRelay }),
  });
}

function event(error: ProxyError): string {
  return `data: ${JSON.stringify({ error: { message: error.message } }).replace(/[\u0085\u2028\u2029]/g, escape)}`;
}

function escape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The smallest relay that is right. */
function plain(): Relay {
  return { data: (chunk) => chunk, broken: (error) => Buffer.from(`\n\n${event(error)}\n\n`) };
}

/** Another look at the bytes as text, chunk by chunk. */
function editing(edit: (text: string) => string): () => Plugin {
  return relaying(() => ({
    ...plain(),
    data: (chunk) => Buffer.from(edit(Buffer.from(chunk).toString("latin1")), "latin1"),
  }));
}

function telling(tell: (error: ProxyError, x: Exchange) => string | null): () => Plugin {
  return relaying((x) => ({
    ...plain(),
    broken(error) {
      const frame = tell(error, x);
      return frame === null ? null : Buffer.from(frame);
    },
  }));
}

function sharing(): () => Plugin {
  let carry = Buffer.alloc(0);
  return relaying(() => ({
    ...plain(),
    data(chunk) {
      const text = Buffer.concat([carry, chunk]);
      const end = text.lastIndexOf("\n") + 1;
      carry = Buffer.from(text.subarray(end));
      return text.subarray(0, end);
    },
    end() {
      const rest = carry;
      carry = Buffer.alloc(0);
      return rest;
    },
  }));
}

function casesOf(create: () => Plugin): Map<string, () => unknown> {
  const cases = new Map<string, () => unknown>();
  testRelay({ test: (name, run) => cases.set(name, run), create });
  return cases;
}

const keeps = (what: string): string => `keeps every byte of a stream with ${what}, however it is cut into chunks`;
const tells = (end: string): string =>
  `tells a break as an event of its own, wherever a stream with ${JSON.stringify(end)} is cut`;
const oneLine = "tells a break in one line, whatever the message is";
const whole = "a whole stream reaches the client whole";
const closed = "a stream that the upstream cuts (close) is cut for the client, never ended";
const reset = "a stream that the upstream cuts (reset) is cut for the client, never ended";
const apart = "two exchanges share nothing";

const faults: readonly [string, string, () => Plugin][] = [
  [
    "decodes chunk by chunk",
    keeps("line ends of LF"),
    relaying(() => ({ data: (chunk) => Buffer.from(Buffer.from(chunk).toString()) })),
  ],
  ["makes CRLF out of LF", keeps("line ends of LF"), editing((text) => text.replaceAll("\n", "\r\n"))],
  ["makes LF out of CRLF", keeps("line ends of CRLF"), editing((text) => text.replaceAll("\r", ""))],
  ["makes LF out of CR", keeps("line ends of CR"), editing((text) => text.replaceAll("\r", "\n"))],
  ["mends line ends", keeps("line ends of every kind"), editing((text) => text.replaceAll("\r\n", "\n"))],
  [
    "takes the byte order mark away",
    keeps("a byte order mark"),
    editing((text) => text.replace("\u00ef\u00bb\u00bf", "")),
  ],
  [
    "drops comments",
    keeps("all fields, comments and odd lines"),
    editing((text) => (text.startsWith(":") ? "" : text)),
  ],
  ["drops what is long", keeps("a line of 64 KiB"), editing((text) => text.slice(0, 16_384))],
  ["keeps half an event to itself", keeps("an unfinished event"), editing((text) => (text.endsWith("\n") ? text : ""))],
  ["drops null bytes", keeps("null bytes"), editing((text) => text.replaceAll("\0", ""))],
  ["says goodbye", keeps("nothing"), relaying(() => ({ ...plain(), end: () => Buffer.from("data: [DONE]\n\n") }))],
  [
    "writes into the chunks",
    keeps("line ends of LF"),
    relaying(() => ({ ...plain(), data: (chunk) => chunk.fill(32) })),
  ],
  ["keeps its state beside the relay", apart, sharing()],
  ["ends no line before the error", tells("\n"), telling((error) => `${event(error)}\n\n`)],
  ["ends one line before the error", tells("\n"), telling((error) => `\n${event(error)}\n\n`)],
  ["ends CRs with one LF", tells("\r"), telling((error) => `\n${event(error)}\n\n`)],
  ["does not end the error", tells("\r\n"), telling((error) => `\n\n${event(error)}\n`)],
  ["says that all is done", tells("\n"), telling((error) => `\n\ndata: [DONE]\n\n${event(error)}\n\n`)],
  ["writes no JSON", tells("\n"), telling((error) => `\n\ndata: ${error.message}\n\n`)],
  ["keeps the message to itself", tells("\n"), telling(() => "\n\ndata: {}\n\n")],
  ["does not escape the message", oneLine, telling((error) => `\n\ndata: {"error":"${error.message}"}\n\n`)],
  ["writes JSON as it is", oneLine, telling((error) => `\n\ndata: ${JSON.stringify(error.message)}\n\n`)],
  ["swallows the stream", whole, relaying(() => ({ data: () => null }))],
  ["ends the response", closed, telling((_error, x) => (x.node.res?.end(), null))],
  ["ends the response on a reset", reset, telling((_error, x) => (x.node.res?.end(), null))],
];

testRelay({ test: (name, run) => test(`a plain relay ${name}`, run), create: relaying(plain) });
testRelay({
  test: (name, run) => test(`a silent relay ${name}`, run),
  create: relaying(() => ({ data: (chunk) => chunk })),
});

test.each(faults)("a plugin that %s does not pass: %s", async (_fault, law, create) => {
  await expect(casesOf(create).get(law)?.()).rejects.toThrow();
});

test("every law has a plugin above that breaks it", () => {
  const broken = new Set(faults.map(([, law]) => law));
  expect([...casesOf(relaying(plain)).keys()].toSorted()).toEqual([...broken].toSorted());
});
