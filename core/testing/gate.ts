import assert from "node:assert/strict";
import type { UpstreamHead } from "../contract/exchange.ts";
import type { Gate, GateService } from "../contract/services.ts";
import { isProxyError } from "../errors.ts";
import type { Plugin } from "../plugin.ts";
import { fakeExchange } from "./fakes.ts";
import { servicesOf, type Test } from "./plugin.ts";
import { streamThrough } from "./relayed-stream.ts";

export interface GateSuite {
  readonly test: Test;
  /** A new plugin with the same options for each case; it holds streams of `text/event-stream`. */
  readonly create: () => Plugin;
  /** Whole streams that it passes, by what they are. */
  readonly passes: Readonly<Record<string, string>>;
  /** Beginnings of streams that it condemns. */
  readonly condemns: Readonly<Record<string, string>>;
}

const eventStream: UpstreamHead = { status: 200, headers: { "content-type": "text/event-stream" } };

/** What no gate has to have an opinion on, and none may fail over. */
const oddHeads: readonly UpstreamHead[] = [
  { status: 200, headers: {} },
  { status: 500, headers: { "content-type": "text/event-stream" } },
  { status: 200, headers: { "content-type": ["text/event-stream", "text/plain"] } },
  { status: 200, headers: { "content-type": ";;;" } },
  { status: 299, headers: { "content-type": "text/event-stream", "content-encoding": ["gzip", "br"] } },
];

/**
 * Tests the laws that hold for every gate: what holds an answer back until it is known to be good.
 *
 * @example
 * testGate({
 *   test,
 *   create: () => contentGate(),
 *   passes: { "a token": 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n' },
 *   condemns: { "an error": 'data: {"error":{"message":"no"}}\n\n' },
 * });
 */
export function testGate({ test, create, passes, condemns }: GateSuite): void {
  const fresh = async (): Promise<Gate> => (await serviceOf(create())).create(fakeExchange(), eventStream);

  for (const [what, stream] of Object.entries(passes)) {
    test(`passes ${what}, however it is cut into chunks`, async () => {
      for (const size of sizes(stream)) {
        const verdict = judge(await fresh(), stream, size);
        assert.equal(verdict, "pass", `in chunks of ${size} bytes`);
      }
    });

    test(`lets the client have ${what} byte by byte as it came`, async () => {
      const received = await streamThrough(create(), pieces(stream, 7), "whole");
      assert.equal(bodyOf(received), stream);
    });
  }

  for (const [what, stream] of Object.entries(condemns)) {
    test(`condemns ${what}, however it is cut into chunks`, async () => {
      for (const size of sizes(stream)) {
        const verdict = judge(await fresh(), stream, size);
        assert.ok(isProxyError(verdict), `in chunks of ${size} bytes: ${String(verdict)}`);
      }
    });

    test(`lets the client see nothing of ${what}`, async () => {
      const received = await streamThrough(create(), [stream], "whole");
      assert.match(received, /^HTTP\/1\.1 [45]/, "the client saw a good head");
      for (const line of stream.split(/[\r\n]+/).filter((each) => each.length > 7)) {
        assert.ok(!received.includes(line), `the client saw ${JSON.stringify(line)}`);
      }
    });
  }

  test("changes no chunk that it is shown", async () => {
    const bytes = Buffer.from(Object.values({ ...passes, ...condemns }).join(""));
    const before = Buffer.from(bytes);
    (await fresh()).data(bytes);
    assert.ok(bytes.equals(before), "it wrote into the chunk");
  });

  test("two exchanges share nothing", async () => {
    const service = await serviceOf(create());
    const [good = ""] = Object.values(passes);
    const half = service.create(fakeExchange(), eventStream);
    half.data(Buffer.from('data: {"half'));
    const other = service.create(fakeExchange(), eventStream);
    assert.equal(judge(other, good, good.length), "pass");
  });

  test("holds a bounded number of bytes, for a time that is a number", async () => {
    const { limit = 65_536, timeout = 0 } = await fresh();
    assert.ok(limit > 0 && limit <= 16 * 1024 * 1024, `it would hold ${limit} bytes of each answer`);
    assert.ok(timeout >= 0 && Number.isFinite(timeout), `it would wait for ${timeout} ms`);
  });

  test("says of every answer whether it looks at it", async () => {
    const service = await serviceOf(create());
    for (const head of oddHeads) assert.equal(typeof service.match(fakeExchange(), head), "boolean");
  });
}

async function serviceOf(plugin: Plugin): Promise<GateService> {
  const [service] = (await servicesOf("gate", [plugin])).values();
  assert.ok(service, `plugin "${plugin.name}" provides no gate`);
  assert.ok(service.match(fakeExchange(), eventStream), `plugin "${plugin.name}" does not look at text/event-stream`);
  return service;
}

/** The first verdict that is one; that of the end if there was none before. */
function judge(gate: Gate, stream: string, size: number): unknown {
  for (const piece of pieces(stream, size)) {
    const verdict = gate.data(Buffer.from(piece, "latin1"));
    if (verdict !== "hold") return verdict;
  }
  return gate.end?.() ?? "pass";
}

function sizes(stream: string): number[] {
  return [1, 2, 7, Math.max(1, stream.length)];
}

/** In latin1: one character is one byte. */
function pieces(stream: string, size: number): string[] {
  const bytes = Buffer.from(stream).toString("latin1");
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}

/** The body of a chunked answer. */
function bodyOf(answer: string): string {
  let rest = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  let body = "";
  for (;;) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (!(size > 0)) return body;
    body += rest.slice(end + 2, end + 2 + size);
    rest = rest.slice(end + 4 + size);
  }
}
