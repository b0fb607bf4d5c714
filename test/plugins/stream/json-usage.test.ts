import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { createProxy, definePlugin, type HeaderRecord, type Relay } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { jsonUsage } from "plugboard/plugins/stream/json-usage";
import { sse } from "plugboard/plugins/stream/sse";
import { fakeExchange, servicesOf, testPlugin } from "plugboard/testing";

testPlugin({ test, create: () => jsonUsage() });

test.each<[string, number, HeaderRecord, boolean]>([
  ["POST", 200, { "content-type": "application/json" }, true],
  ["POST", 201, { "content-type": "Application/JSON ; charset=utf-8" }, true],
  ["POST", 200, { "content-type": "application/json", "content-encoding": "identity" }, true],
  ["POST", 200, { "content-type": "application/json", "content-encoding": "gzip" }, false],
  ["POST", 400, { "content-type": "application/json" }, false],
  ["POST", 200, { "content-type": "application/jsonl" }, false],
  ["POST", 200, { "content-type": "text/event-stream" }, false],
  ["POST", 200, {}, false],
  ["GET", 200, { "content-type": "application/json" }, false],
])("the answer to %s with %i and %j is relayed: %s", async (method, status, headers, relayed) => {
  const service = (await servicesOf("relay", [jsonUsage()])).get("json-usage");
  expect(service?.match(fakeExchange({ method }), { status, headers })).toBe(relayed);
});

test("hands on the very chunk it was given, and keeps none", async () => {
  const [service] = (await servicesOf("relay", [jsonUsage()])).values();
  const relay = service?.create(fakeExchange({ method: "POST" }), { status: 200, headers: {} }) as Relay;
  for (const text of ['{"usage":{"prompt_tokens":1}}', '{"usa', 'ge":{}}', "", "\0"]) {
    const chunk = Buffer.from(text);
    expect(relay.data(chunk)).toBe(chunk);
    expect(chunk.toString()).toBe(text);
  }
  expect(relay.end).toBeUndefined();
});

const answer = JSON.stringify({
  choices: [{ message: { content: 'say "usage": {"prompt_tokens": 99}' } }],
  usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
});
const tokens = { promptTokens: 3, completionTokens: 4, totalTokens: 7 };

test.each<[string, readonly string[], string, unknown]>([
  ["an answer", [answer], "application/json", tokens],
  ["an answer in pieces", Array.from(answer), "application/json", tokens],
  ["an indented answer", [JSON.stringify(JSON.parse(answer), null, 2)], "application/json", tokens],
  ["an answer without usage", ['{"choices":[]}'], "application/json", undefined],
  ["text", [answer], "text/plain", undefined],
  ["a stream beside sse", [`data: ${answer}\n\n`], "text/event-stream", tokens],
])("notes the usage of %s, and passes it on as it is", async (_name, pieces, type, usage) => {
  const { url, seen } = await proxied((response) => {
    response.writeHead(200, { "content-type": type });
    for (const piece of pieces) response.write(piece);
    response.end();
  });
  const response = await fetch(url, { method: "POST", body: "{}" });
  expect(await response.text()).toBe(pieces.join(""));
  await vi.waitFor(() => expect(seen).toEqual([usage]));
});

test("cuts an answer that breaks, with nothing of its own in it", async () => {
  const { url, seen } = await proxied((response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"usage":{"prompt_tokens":3},', () => response.socket?.destroySoon());
  });
  const response = await fetch(url, { method: "POST", body: "{}" });
  await expect(response.text()).rejects.toThrow();
  await vi.waitFor(() => expect(seen).toEqual([{ promptTokens: 3, completionTokens: 0, totalTokens: 3 }]));
});

/** A proxy in front of one upstream, and the usage that was noted by the end of each exchange. */
async function proxied(reply: (response: ServerResponse) => void): Promise<{ url: string; seen: unknown[] }> {
  const seen: unknown[] = [];
  const watching = definePlugin({
    name: "watching",
    setup(proxy) {
      const slot = proxy.slot("usage");
      return {
        end(x) {
          seen.push(slot.get(x));
          return undefined;
        },
      };
    },
  });
  const upstream = createServer((_request, response) => reply(response));
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const plugins = [staticTargets({ targets: [target] }), jsonUsage(), sse(), watching()];
  const proxy = await createProxy({ plugins });
  onTestFinished(async () => {
    upstream.close();
    upstream.closeAllConnections();
    await proxy.close({ deadline: 0 });
  });
  const { url } = await proxy.listen();
  return { url, seen };
}
