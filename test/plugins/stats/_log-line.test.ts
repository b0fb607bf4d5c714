import fc from "fast-check";
import { expect, test } from "vitest";
import { type Exchange, type Outcome, ProxyError, type Route } from "plugboard";
import { fakeExchange, fakeOutcome, fakeTarget } from "plugboard/testing";
import { type LineFormat, toJsonLine, toPrettyLine, type Usage } from "../../../plugins/stats/_log-line.ts";

const time = Date.UTC(2000, 0, 2, 3, 4, 5, 6);

interface Told {
  readonly x?: Partial<Exchange>;
  readonly outcome?: Partial<Outcome>;
  readonly usage?: Usage;
}

function line(format: LineFormat, { x, outcome, usage }: Told = {}): string {
  return format({ time, x: fakeExchange(x), outcome: fakeOutcome(outcome), usage });
}

function parsed(told: Told = {}): Record<string, unknown> {
  return JSON.parse(line(toJsonLine, told)) as Record<string, unknown>;
}

const chat: Told = {
  x: {
    id: "x-1",
    method: "POST",
    path: "/v1/chat/completions",
    search: "?api_key=secret",
    headers: { "user-agent": "OpenAI/Python 2.0", authorization: "Bearer secret" },
    model: "fast",
    route: { name: "alias fast" } as Route,
    target: fakeTarget({ id: "gpu-1" }),
    attempt: 2,
  },
  outcome: { ttfb: 12.345, duration: 678.91, bytesIn: 100, bytesOut: 2_000 },
  usage: { promptTokens: 3, completionTokens: 4, totalTokens: 7 },
};

test("a JSON line holds what is known of an exchange, in this order", () => {
  expect(line(toJsonLine, chat)).toBe(
    '{"time":"2000-01-02T03:04:05.006Z","id":"x-1","method":"POST","path":"/v1/chat/completions","status":200,"kind":"ok","flag":"-"' +
      ',"model":"fast","route":"alias fast","target":"gpu-1","attempts":2,"ttfb":12.3,"duration":678.9,"bytesIn":100,"bytesOut":2000' +
      ',"tokens":{"prompt":3,"completion":4,"total":7},"ip":"127.0.0.1","userAgent":"OpenAI/Python 2.0"}',
  );
});

test("a pretty line holds the same for the eye", () => {
  expect(line(toPrettyLine, chat)).toBe(
    "03:04:05.006 200 POST /v1/chat/completions ok model=fast route=alias fast target=gpu-1 attempts=2 12.3/678.9ms 100/2000B" +
      ' tokens=3+4 127.0.0.1 "OpenAI/Python 2.0" x-1',
  );
});

test("what is not known is null in JSON and a dash for the eye", () => {
  const told = { x: { ip: undefined } };
  expect(parsed(told)).toMatchObject({
    model: null,
    route: null,
    target: null,
    tokens: null,
    ip: null,
    userAgent: null,
  });
  expect(line(toPrettyLine, told)).toBe('03:04:05.006 200 GET / ok model=- route=- target=- 1/2ms 0/2B - "-" exchange');
});

test.each<[string, Partial<Outcome>, number, string]>([
  ["an answer", { status: 503, kind: "status" }, 503, "-"],
  ["no target", { status: 503, kind: "local", error: new ProxyError("no_targets", "") }, 503, "UH"],
  ["a refused connection", { status: 502, kind: "connect", error: new ProxyError("connect_failed", "") }, 502, "UF"],
  ["a cut stream", { status: 200, kind: "stream-error", error: new ProxyError("upstream_reset", "") }, 200, "UC"],
  [
    "a client that left before the head",
    { status: 0, kind: "client-abort", error: new ProxyError("client_closed", "") },
    499,
    "DC",
  ],
  ["a client that left in between", { status: 200, kind: "client-abort" }, 200, "DC"],
])("tells of %s with its status and flag", (_name, outcome, status, flag) => {
  expect(parsed({ outcome })).toMatchObject({ status, kind: outcome.kind, flag });
});

test("cuts a text at 256 characters", () => {
  const { model, path } = parsed({ x: { model: "m".repeat(257), path: `/${"p".repeat(255)}` } });
  expect(model).toBe(`${"m".repeat(255)}…`);
  expect(path).toBe(`/${"p".repeat(255)}`);
});

test("cuts shorter what would make the line longer than 4 KiB", () => {
  const long = "\u001b".repeat(300);
  const target = fakeTarget({ id: long });
  const x = {
    id: long,
    method: long,
    path: long,
    model: long,
    route: { name: long } as Route,
    target,
    ip: long,
    headers: { "user-agent": long },
  };
  expect(parsed({ x }).model).toBe(`${"\u001b".repeat(47)}…`);
  for (const format of [toJsonLine, toPrettyLine]) expect(Buffer.byteLength(line(format, { x }))).toBeLessThan(4_096);
});

const hostile = fc.string({
  unit: fc.oneof(
    fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
    fc.constantFrom("\u001b", "\r", "\n", "\u2028", "\u009b", "\u202e", "\\", '"', "\ud800", "🦙"),
  ),
  maxLength: 600,
});
const fields = fc.record({ path: hostile, model: hostile, ip: hostile, method: hostile, id: hostile, agent: hostile });
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

test.each([
  ["JSON", toJsonLine],
  ["pretty", toPrettyLine],
] as const)("a %s line is one printable line of at most 4 KiB, whatever it holds", (_name, format) => {
  fc.assert(
    fc.property(fields, ({ agent, ...x }) => {
      const text = line(format, { x: { ...x, headers: { "user-agent": agent } } });
      expect(text).not.toMatch(unprintable);
      expect(Buffer.byteLength(text)).toBeLessThan(4_096);
    }),
  );
});

test("a JSON line is JSON that holds what was told, whatever that is", () => {
  fc.assert(
    fc.property(fields, ({ agent, ...x }) => {
      const fit = Object.fromEntries(Object.entries(x).map(([name, value]) => [name, value.slice(0, 40)]));
      expect(parsed({ x: fit })).toMatchObject(fit);
      expect(() => parsed({ x: { ...x, headers: { "user-agent": agent } } })).not.toThrow();
    }),
  );
});
