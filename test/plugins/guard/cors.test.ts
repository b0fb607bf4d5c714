import { describe, expect, test } from "vitest";
import { definePlugin, type HeaderRecord, type Plugin, ProxyError } from "plugboard";
import { openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { cors, type CorsOptions } from "plugboard/plugins/guard/cors";
import { testPlugin } from "plugboard/testing";
import { testGuard } from "../../../core/testing/guard.ts";
import { type GuardRequest, type GuardSeen, withGuard } from "../../../core/testing/guard-rig.ts";

const app = "https://app.example.com";
const other = "https://other.example.org";

const from = (origin: string): GuardRequest => ({ headers: { origin } });

function preflight(origin: string, headers = "authorization,content-type"): GuardRequest {
  const asked = { "access-control-request-method": "POST", "access-control-request-headers": headers };
  return { method: "OPTIONS", headers: { origin, ...asked } };
}

testPlugin({
  test,
  create: () => cors({ origins: [app] }),
  badOptions: [
    { options: {}, says: 'Expected "origins"' },
    { options: { origins: "https://app.example.com" }, says: 'origins: Expected "*" or origins' },
    { options: { origins: [] }, says: "origins" },
    { options: { origins: ["app.example.com"] }, says: 'origins.0: Expected "*" or origins' },
    { options: { origins: ["https://app.example.com/"] }, says: "without a path" },
    { options: { origins: ["https://app.example.com:443"] }, says: "origins.0" },
    { options: { origins: ["null"] }, says: "origins.0" },
    { options: { origins: ["*"] }, says: "origins.0" },
    { options: { origins: ["https://*"] }, says: "origins.0" },
    { options: { origins: "*", credentials: true }, says: "Expected origins by name with credentials" },
    { options: { origins: "*", methods: ["GET, POST"] }, says: "methods.0: Expected a name" },
    { options: { origins: "*", maxAge: -1 }, says: "maxAge: Expected milliseconds" },
  ],
});

describe("with origins", () => {
  testGuard({
    test,
    create: () => cors({ origins: [app], credentials: true }),
    passes: [{}, from(app), from(other)],
    refuses: [{ ...preflight(other), code: "forbidden" }],
  });
});

describe("with any", () => {
  testGuard({ test, create: () => cors({ origins: "*" }), passes: [{}, from(other)] });
});

/** Asks through a proxy with the guard and these in front of it. */
async function answer(options: CorsOptions, request: GuardRequest, others: readonly Plugin[] = []): Promise<GuardSeen> {
  let seen: GuardSeen | undefined;
  await withGuard(
    () => [...others, cors(options)],
    async ({ ask }) => void (seen = await ask(request)),
  );
  if (seen === undefined) throw new Error("nothing was asked");
  return seen;
}

test("a preflight is answered here, with what was asked for, for so long", async () => {
  await withGuard(
    () => [cors({ origins: [app] })],
    async ({ ask, upstream }) => {
      const { status, headers, body } = await ask(preflight(app));
      expect([status, body]).toEqual([204, ""]);
      expect(headers).toMatchObject({
        "access-control-allow-origin": app,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "600",
        vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
      });
      expect(headers).not.toHaveProperty("access-control-allow-credentials");
      expect(upstream).toEqual([]);
    },
  );
});

test("a preflight is told the headers that the options list, and its own only as a list of names", async () => {
  const listed = await answer({ origins: "*", headers: ["x-a", "x-b"], methods: ["GET"] }, preflight(app));
  expect(listed.headers["access-control-allow-headers"]).toBe("x-a, x-b");
  expect(listed.headers["access-control-allow-methods"]).toBe("GET");
  const odd = await answer({ origins: "*" }, preflight(app, "a\u00e9<script>"));
  expect(odd.status).toBe(204);
  expect(odd.headers).not.toHaveProperty("access-control-allow-headers");
});

test("an OPTIONS request that is no preflight goes to the upstream", async () => {
  const { headers } = await answer({ origins: [app] }, { ...from(app), method: "OPTIONS" });
  expect(headers).toHaveProperty("x-suite-upstream");
});

test.each([
  [[app], app, app],
  [[app], other, undefined],
  [[app], "https://app.example.com.evil.org", undefined],
  [[app], "http://app.example.com", undefined],
  [[app], "null", undefined],
  [["https://*.example.com"], "https://a.b.example.com", "https://a.b.example.com"],
  [["https://*.example.com"], "https://example.com", undefined],
  [["https://*.example.com"], "https://.example.com", undefined],
  [["https://*.example.com"], "https://evil.org/.example.com", undefined],
  [["https://*.example.com"], "https://evil.org:1@x.example.com", undefined],
  [["https://*.example.com"], "https://evilexample.com", undefined],
  [["http://localhost:3000", app], "http://localhost:3000", "http://localhost:3000"],
])("with %j, a page of %s may read: %s", async (origins, origin, allowed) => {
  const { status, headers } = await answer({ origins }, from(origin));
  expect(status).toBe(200);
  expect(headers["access-control-allow-origin"]).toBe(allowed);
  expect(headers["vary"]).toBe("Origin");
});

test("an answer to a request without an origin may be kept for no other", async () => {
  const { headers } = await answer({ origins: [app] }, {});
  expect(headers["vary"]).toBe("Origin");
  expect(headers).not.toHaveProperty("access-control-allow-origin");
});

test("with any origin answers are the same for all, and never with credentials", async () => {
  const { headers } = await answer({ origins: "*" }, from(app));
  expect(headers["access-control-allow-origin"]).toBe("*");
  expect(headers).not.toHaveProperty("vary");
  expect(headers).not.toHaveProperty("access-control-allow-credentials");
});

test("credentials are for origins that are named", async () => {
  const options: CorsOptions = { origins: [app], credentials: true };
  expect((await answer(options, from(app))).headers["access-control-allow-credentials"]).toBe("true");
  expect((await answer(options, from(other))).headers).not.toHaveProperty("access-control-allow-credentials");
});

/** What an upstream might have said. */
function saying(headers: HeaderRecord): Plugin {
  return definePlugin({
    name: "saying",
    setup: () => ({ upstreamResponse: (_x, head) => void Object.assign(head.headers, headers) }),
  })();
}

test.each([app, other])("the upstream's own are left out for %s", async (origin) => {
  const own = {
    "access-control-allow-origin": "*",
    "access-control-allow-credentials": "true",
    "access-control-anything": "x",
    vary: "accept-encoding",
  };
  const { headers } = await answer({ origins: [app] }, from(origin), [saying(own)]);
  expect(headers["access-control-allow-origin"]).toBe(origin === app ? app : undefined);
  expect(headers).not.toHaveProperty("access-control-allow-credentials");
  expect(headers).not.toHaveProperty("access-control-anything");
  expect(headers["vary"]).toBe("accept-encoding, Origin");
});

test.each([
  ["Origin", "Origin"],
  ["accept, origin", "accept, origin"],
  ["*", "*"],
  ["x-origin", "x-origin, Origin"],
])("an upstream's Vary of %s becomes %s", async (vary, becomes) => {
  const { headers } = await answer({ origins: [app] }, from(app), [saying({ vary })]);
  expect(headers["vary"]).toBe(becomes);
});

const refusing = definePlugin({
  name: "keys",
  setup: () => ({
    request() {
      throw new ProxyError("unauthorized", "No.");
    },
  }),
});

test.each([[[]], [[openaiErrors()]]])("a page can read an error, whoever tells it", async (shapes) => {
  const { status, headers } = await answer({ origins: [app] }, from(app), [...shapes, refusing()]);
  expect(status).toBe(401);
  expect(headers["access-control-allow-origin"]).toBe(app);
  expect(headers["access-control-expose-headers"]).toBe("x-request-id, retry-after, x-proxy-error");
  expect(headers["vary"]).toBe("Origin");
});

test("a preflight, which has no key, is answered before keys are asked for", async () => {
  expect((await answer({ origins: [app] }, preflight(app), [refusing()])).status).toBe(204);
});

test("control routes answer with them", async () => {
  const { headers, body } = await answer({ origins: [app] }, { ...from(app), path: "/suite-control" });
  expect(body).toBe("1");
  expect(headers["access-control-allow-origin"]).toBe(app);
});
