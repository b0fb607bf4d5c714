import { createProxy, type Plugin } from "plugboard";
import { openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { alias } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { inOrder } from "plugboard/plugins/select/in-order";
import { type RoutingHeadersOptions, routingHeaders } from "plugboard/plugins/stats/routing-headers";
import { testPlugin } from "plugboard/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { type MemCall, memUpstream, sayOk } from "../../core/mem-upstream.ts";

describe("routingHeaders as a plugin", () =>
  testPlugin({
    test,
    create: () => routingHeaders({ show: ["target"] }),
    badOptions: [{ options: { show: ["model"] }, says: "show.0" }],
  }));

const refuse = ({ sink }: MemCall): void => sink.error(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));

function upstream(down: readonly string[]): Plugin {
  const targets = ["a", "ü"].map((id) => ({ id, url: `mem://${id === "a" ? "a" : "b"}`, models: ["m"] }));
  return memUpstream((call) => (down.includes(call.target.id) ? refuse(call) : sayOk(call)), targets);
}

async function headersOf(
  name: string,
  down: readonly string[],
  options?: RoutingHeadersOptions,
): Promise<Record<string, string>> {
  const aliases = alias({ fast: { targets: [{ model: "m" }], synonyms: ["quick"] } });
  const proxy = await createProxy({
    plugins: [upstream(down), inOrder(), aliases, model(), openaiErrors(), routingHeaders(options)],
  });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const body = JSON.stringify({ model: name });
  const request = new Request("http://proxy/", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const response = await proxy.fetch(request);
  await response.text();
  return Object.fromEntries([...response.headers].filter(([header]) => header.startsWith("x-plugboard-")));
}

test("tells the target, the attempts, the route and the alias", async () => {
  expect(await headersOf("quick", [])).toEqual({
    "x-plugboard-target": "a",
    "x-plugboard-attempts": "1",
    "x-plugboard-route": "fast",
    "x-plugboard-alias": "fast",
  });
});

test("tells of no alias where the name was the target's own", async () => {
  expect(await headersOf("m", [])).not.toHaveProperty("x-plugboard-alias");
});

test("tells of the attempt that was answered, with an id that fits into a header", async () => {
  expect(await headersOf("fast", ["a"])).toMatchObject({ "x-plugboard-target": "%C3%BC", "x-plugboard-attempts": "2" });
});

test("tells of the last attempt when all have failed", async () => {
  expect(await headersOf("fast", ["a", "ü"])).toMatchObject({ "x-plugboard-attempts": "2" });
});

test("tells nothing of a request that went nowhere", async () => {
  expect(await headersOf("unknown", [])).toEqual({});
});

test("shows no more than it is told to", async () => {
  expect(await headersOf("fast", [], { show: ["attempts"] })).toEqual({ "x-plugboard-attempts": "1" });
});
