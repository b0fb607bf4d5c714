import { describe, expect, test } from "vitest";
import { createProxy, definePlugin, type Exchange, type Plugin, ProxyError } from "plugboard";
import { requestId } from "plugboard/plugins/guard/request-id";
import { testPlugin } from "plugboard/testing";
import { testGuard } from "../../../core/testing/guard.ts";
import { type GuardRig, withGuard } from "../../../core/testing/guard-rig.ts";

testPlugin({
  test,
  create: () => requestId(),
  badOptions: [
    { options: { header: "" }, says: "header: Expected a header such as x-request-id" },
    { options: { header: "x id" }, says: "header: Expected" },
    { options: { header: "Content-Length" }, says: "header: Expected" },
    { options: { trust: "yes" }, says: "trust: Invalid type: Expected boolean" },
    { options: { generate: "uuid" }, says: "generate: Expected a function" },
  ],
});

describe("with a client's own", () => {
  testGuard({ test, create: () => requestId({ trust: true }), passes: [{}, { headers: { "x-request-id": "a-1" } }] });
});

describe("without", () => {
  const secret = "id-that-a-client-made-up";
  testGuard({
    test,
    create: () => requestId(),
    passes: [{}, { headers: { "x-request-id": secret } }],
    secrets: [secret],
  });
});

/** What the upstream got under the name. */
function sent({ upstream }: GuardRig, name = "x-request-id"): string | undefined {
  const lines = upstream.at(-1)?.split("\n") ?? [];
  expect(lines.filter((line) => line === name).length).toBeLessThan(2);
  return lines[lines.indexOf(name) + 1];
}

/** Tells what the exchange and the slot say. */
function witness(said: string[]): Plugin {
  return definePlugin({
    name: "witness",
    setup(proxy) {
      const slot = proxy.slot<string>("requestId");
      return {
        end(x: Exchange) {
          said.push(x.id, slot.get(x) ?? "none");
          return undefined;
        },
      };
    },
  })();
}

test("the upstream, the client, the slot and the exchange have the same id, another for each request", async () => {
  const said: string[] = [];
  await withGuard(
    () => [requestId(), witness(said)],
    async (rig) => {
      const one = await rig.ask({});
      expect(sent(rig)).toBe(one.headers["x-request-id"]);
      const two = await rig.ask({});
      expect(sent(rig)).toBe(two.headers["x-request-id"]);
      expect(one.headers["x-request-id"]).not.toBe(two.headers["x-request-id"]);
      await expect.poll(() => said.length).toBe(4);
      const [a, b] = [one.headers["x-request-id"], two.headers["x-request-id"]];
      expect(said).toEqual([a, a, b, b]);
    },
  );
});

test.each([
  ["abc-1", true],
  ["A.b_c:d+e/f=g@h", true],
  ["i".repeat(128), true],
  ["i".repeat(129), false],
  ["", false],
  ["two words", false],
  ["<script>", false],
  ["a\u00e9", false],
  ["a,b", false],
])("of a client that is trusted it takes %j: %s", (given, taken) =>
  withGuard(
    () => [requestId({ trust: true, header: "X-Correlation-Id" })],
    async (rig) => {
      const { headers } = await rig.ask({ headers: { "x-correlation-id": given } });
      expect(headers["x-correlation-id"] === given).toBe(taken);
      expect(sent(rig, "x-correlation-id")).toBe(headers["x-correlation-id"]);
    },
  ),
);

test("an error has the id, and says the same one", () =>
  withGuard(
    () => [requestId(), refusing()],
    async ({ ask }) => {
      const { status, headers, body } = await ask({});
      expect(status).toBe(403);
      expect(JSON.parse(body)).toHaveProperty("error.request_id", headers["x-request-id"]);
    },
  ));

test("what another plugin refuses has it, wherever that stands", () =>
  withGuard(
    () => [refusing("keys"), requestId()],
    async ({ ask }) => expect((await ask({})).headers).toHaveProperty("x-request-id"),
  ));

test("an upstream's own is not the answer's", async () => {
  const echoing = definePlugin({
    name: "echoing",
    setup: () => ({
      upstreamResponse(_x, head) {
        head.headers["x-request-id"] = "the upstream's";
      },
    }),
  });
  await withGuard(
    () => [echoing(), requestId({ generate: () => "ours" })],
    async ({ ask }) => expect((await ask({})).headers["x-request-id"]).toBe("ours"),
  );
});

test("an id that generate made ill-formed is the fault of the config", () =>
  withGuard(
    () => [requestId({ generate: () => "a\r\nset-cookie: b" })],
    async ({ ask, log }) => {
      const { status, headers } = await ask({});
      expect(status).toBe(500);
      expect(headers).not.toHaveProperty("set-cookie");
      expect(log()).toContain("generate made no id");
    },
  ));

test("control routes answer with it", async () => {
  const plugins = [
    requestId({ generate: () => "ours" }),
    definePlugin({ name: "route", setup: (proxy) => proxy.route("GET", "/route", () => "here") })(),
  ];
  const proxy = await createProxy({ plugins });
  const { headers } = await proxy.fetch(new Request("http://proxy/route"));
  await proxy.close();
  expect(headers.get("x-request-id")).toBe("ours");
});

function refusing(name = "refusing"): Plugin {
  return definePlugin({
    name,
    setup: () => ({
      request() {
        throw new ProxyError("forbidden", "No.");
      },
    }),
  })();
}
