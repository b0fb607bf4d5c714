import { alias } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { random } from "plugboard/plugins/select/random";
import { explain } from "plugboard/plugins/stats/explain";
import { testPlugin } from "plugboard/testing";
import { describe, expect, test } from "vitest";
import { hooks } from "../../core/quick-plugin.ts";
import { spec, start, type Started } from "./started.ts";

describe("explain as a plugin", () =>
  testPlugin({
    test,
    create: () => explain({ path: "/_proxy/explain" }),
    badOptions: [{ options: { path: "explain" }, says: "path" }],
  }));

const targets = [
  { ...spec("one"), models: ["m"], weight: 3 },
  { ...spec("two"), models: ["m"] },
];
const started = (...more: Parameters<typeof start>[0][number][]): Promise<Started> =>
  start([random(), alias({ fast: { targets: [{ model: "m" }] } }), model(), explain(), ...more], { default: targets });

test("tells what a chat request for a model would do, on the targets as they are now", async () => {
  const { json, reporter } = await started();
  reporter().down("two", "on fire");
  expect(await json("/explain?model=fast")).toMatchObject({
    request: { method: "POST", path: "/v1/chat/completions", model: "fast" },
    route: { name: "fast", selector: "random" },
    candidates: [
      { id: "one", kept: true },
      { id: "two", kept: false, reason: "down by suite: on fire" },
    ],
    attempts: ["one"],
    upstream: { body: expect.stringContaining('"model":"m"') },
  });
});

test("tells of any request by method, path, headers and body", async () => {
  const { json } = await started(hooks({ request: (x) => void x.notes?.push(`team ${String(x.headers["x-team"])}`) }));
  const query = new URLSearchParams([
    ["method", "PUT"],
    ["path", "/v1/embeddings?dry=1"],
    ["header", "X-Team: search"],
    ["body", '{"model":"m"}'],
  ]);
  expect(await json(`/explain?${query.toString()}`)).toMatchObject({
    request: { method: "PUT", path: "/v1/embeddings?dry=1", model: "m" },
    steps: [{ phase: "request", note: "team search" }, {}],
  });
});

test("tells of the listener a request comes in by, and refuses one that there is not", async () => {
  const { json } = await started();
  expect(await json("/explain?model=fast&listener=main")).toMatchObject({ route: { name: "fast" } });
  expect(await json("/explain?model=fast&listener=none")).toMatchObject({
    error: { code: "invalid_request", message: 'The config has no listener "none".' },
  });
});

test("tells how many such requests spread, the same with the same seed", async () => {
  const { json } = await started();
  const first = await json("/explain?model=fast&n=1000&seed=7");
  expect(first.distribution).toEqual((await json("/explain?model=fast&n=1000&seed=7")).distribution);
  const { one = 0, two = 0 } = first.distribution as Record<string, number>;
  expect(one + two).toBe(1000);
  // 750 are expected; five standard deviations of 1,000 draws are 69.
  expect(Math.abs(one - 750)).toBeLessThan(69);
});

test.each([
  ["modle=fast", '"modle" is no parameter here; there are model, method'],
  ["path=v1", 'path "v1" does not begin with a slash'],
  ["header=nothing", 'header "nothing" is none'],
  ["model=fast&n=many", 'n "many" is no whole number up to 10000'],
  ["model=fast&n=10001", "up to 10000"],
])("refuses %s in words", async (query, says) => {
  const { get } = await started();
  const response = await get(`/explain?${query}`);
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(says.replaceAll('"', '\\"'));
});

test("answers a request without a socket, which this process made", async () => {
  const { proxy } = await started();
  expect((await proxy.fetch(new Request("http://localhost/explain?model=fast"))).status).toBe(200);
});

test("does not answer what a proxy forwarded from elsewhere, unless it is open", async () => {
  const { proxy } = await started();
  const forwarded = { headers: { "x-forwarded-for": "203.0.113.9" } };
  const ask = (path: string): Promise<Response> =>
    proxy.fetch(new Request(`http://localhost${path}?model=fast`, forwarded));
  expect((await ask("/explain")).status).toBe(403);
  await proxy.reload({ plugins: [explain({ path: "/why", open: true })] });
  expect((await ask("/why")).status).toBe(200);
});

test("shows no credentials of the request", async () => {
  const { get } = await started();
  const text = await (
    await get(`/explain?model=fast&header=authorization:${encodeURIComponent("Bearer sk-canary")}`)
  ).text();
  expect(text).not.toContain("sk-canary");
  expect(text).toContain('"authorization":"***"');
});
