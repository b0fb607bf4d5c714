import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { definePlugin, type Plugin } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { cors } from "plugboard/plugins/guard/cors";
import { keys } from "plugboard/plugins/guard/keys";
import { testPlugin } from "plugboard/testing";
import { testGuard } from "../../../core/testing/guard.ts";
import { type GuardRequest, type GuardSeen, withGuard } from "../../../core/testing/guard-rig.ts";
import { openProxy } from "../../e2e/open-proxy.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";
import { rateLimit, type RateLimitOptions } from "../../../plugins/guard/rate-limit.ts";

const from = (address: string): GuardRequest => ({ headers: { "x-forwarded-for": address } });
const as = (user: string): GuardRequest => ({ headers: { "x-user": user } });
const byUser = { by: { header: "x-user" } } as const;

testPlugin({
  test,
  create: () => rateLimit({ requests: 5 }),
  badOptions: [
    { options: { requests: -1 }, says: "requests: Expected 0 or more" },
    { options: { tokens: 1.5 }, says: "tokens: Expected a whole number" },
    { options: { requests: 1, per: 10 }, says: "per: Expected at least 1000 ms" },
    { options: { requests: 1, by: "clinet" }, says: 'by: Expected "client", "ip", "route", "all"' },
    { options: { requests: 1, by: { header: "x user" } }, says: "by" },
    { options: { by: "ip" }, says: "Expected requests, tokens or concurrent" },
    { options: { rules: [] }, says: "rules: Expected at least one rule" },
    { options: { rules: [{ requests: 1, maxKeys: 2 }] }, says: "rules.0.maxKeys" },
    { options: { requests: 1, rules: [{ requests: 1 }] }, says: "Expected either rules or one rule" },
    {
      options: { rules: [{ requests: 1 }, { requests: 9, per: 86_400_000 }] },
      says: "Expected a name of its own for each rule",
    },
    { options: { requests: 1, models: ["a*b"] }, says: 'models.0: Expected a name, with "*" at its end only' },
    { options: { requests: 1, redis: "localhost:6379" }, says: "redis: Expected a URL such as redis://" },
    { options: { requests: 1, unavailable: "wait" }, says: 'unavailable: Expected "local", "pass" or "refuse"' },
    { options: { requests: 1, now: 1 }, says: "now: Expected a function that tells the time" },
  ],
});

testPlugin({ test, create: () => rateLimit() });

describe("as a guard", () => {
  testGuard({
    test,
    create: () =>
      rateLimit({
        rules: [
          { by: (x) => (x.headers["x-user"] === "greedy" ? "greedy" : undefined), requests: 0 },
          { by: (x) => (x.headers["x-user"] === "many" ? "many" : undefined), concurrent: 0, name: "many" },
          { ...byUser, requests: 1_000_000, tokens: 1_000_000_000, concurrent: 100 },
        ],
      }),
    passes: [as("alice"), {}],
    refuses: [
      { ...as("greedy"), code: "rate_limited" },
      { ...as("many"), code: "rate_limited" },
    ],
    secrets: ["greedy"],
  });
});

interface Limited {
  /** The status of each, one after another. */
  ask(...asked: readonly GuardRequest[]): Promise<number[]>;
  one(asked?: GuardRequest & { readonly body?: string }): Promise<GuardSeen>;
  pass(ms: number): void;
  reload(): Promise<void>;
  readonly explain: (asked: GuardRequest) => Promise<string>;
}

/** A proxy with these limits, and a clock that stands still. */
function limited(options: RateLimitOptions, law: (rig: Limited) => Promise<void>): Promise<void> {
  let time = 1_000_000;
  return withGuard(
    () => [rateLimit({ now: () => time, ...options })],
    ({ ask, reload, proxy }) =>
      law({
        one: (asked = {}) => ask(asked),
        async ask(...all) {
          const statuses: number[] = [];
          for (const asked of all) statuses.push((await ask(asked)).status);
          return statuses;
        },
        pass: (ms) => void (time += ms),
        reload,
        explain: async ({ headers = {} }) =>
          JSON.stringify(await proxy.explain({ path: "/v1/chat/completions", headers })),
      }),
  );
}

test("what is over the limit is refused until the window ends, which the first request began", () =>
  limited({ requests: 2, per: 60_000 }, async ({ ask, one, pass }) => {
    expect(await ask({})).toEqual([200]);
    pass(20_000);
    expect(await ask({}, {})).toEqual([200, 429]);
    const { headers, body } = await one();
    expect(headers).toMatchObject({
      "retry-after": "40",
      "x-ratelimit-limit-requests": "2",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "40s",
      "x-proxy-error": "rate_limited",
    });
    expect(JSON.parse(body)).toMatchObject({
      error: { code: "rate_limited", message: "The limit is 2 requests in 60 s: 0 are left. Try again in 40 s." },
    });
    pass(39_999);
    expect((await one()).headers["retry-after"]).toBe("1");
    pass(1);
    expect(await ask({}, {}, {})).toEqual([200, 200, 429]);
  }));

test("answers tell the limit and what is left, also those to control routes; not when that is switched off", async () => {
  await limited({ requests: 10, per: 3_600_000 }, async ({ one, pass }) => {
    await one();
    pass(1_500);
    for (const path of ["/v1/chat/completions", "/suite-control"]) {
      expect((await one({ path })).headers).toMatchObject({
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": path === "/suite-control" ? "7" : "8",
        "x-ratelimit-reset-requests": "59m58.5s",
      });
    }
  });
  await limited({ requests: 1, headers: false }, async ({ one }) => {
    for (const status of [200, 429]) {
      const seen = await one();
      expect([seen.status, Object.keys(seen.headers).filter((name) => name.startsWith("x-rate"))]).toEqual([
        status,
        [],
      ]);
    }
  });
});

test("of several limits the nearest is told, and all of them hold", () =>
  limited(
    {
      rules: [
        { ...byUser, requests: 2, name: "user" },
        { by: "all", requests: 3 },
      ],
    },
    async ({ ask, one }) => {
      expect((await one(as("a"))).headers["x-ratelimit-remaining-requests"]).toBe("1");
      expect((await one(as("b"))).headers["x-ratelimit-limit-requests"]).toBe("2");
      expect((await one(as("a"))).headers["x-ratelimit-remaining-requests"]).toBe("0");
      expect(await ask(as("a"), as("b"), as("c"))).toEqual([429, 429, 429]);
    },
  ));

test("what one client is refused is not taken from what all share", () =>
  limited(
    {
      rules: [
        { by: "all", requests: 3 },
        { ...byUser, requests: 1, name: "user" },
      ],
    },
    async ({ ask }) => {
      const refused = await ask(as("a"), as("a"), as("a"), as("a"), as("a"));
      expect(refused).toEqual([200, 429, 429, 429, 429]);
      expect(await ask(as("b"), as("c"), as("d"))).toEqual([200, 200, 429]);
    },
  ));

test.each<[string, RateLimitOptions, readonly GuardRequest[], readonly number[]]>([
  ["all", { by: "all" }, [from("192.0.2.1"), from("192.0.2.2")], [200, 429]],
  ["an address", { by: "ip" }, [from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.1")], [200, 200, 429]],
  [
    "a /64 of IPv6",
    { by: "ip" },
    [from("2001:db8::1"), from("2001:db8:0:0:9::"), from("2001:db8:0:1::1")],
    [200, 429, 200],
  ],
  [
    "an IPv4 address in IPv6",
    { by: "ip" },
    [from("::ffff:192.0.2.1"), from("192.0.2.1"), from("::ffff:c000:202"), from("192.0.2.2"), from("::1")],
    [200, 429, 200, 429, 200],
  ],
  ["a header, or none", byUser, [as("a"), as("b"), as("a"), {}, {}], [200, 200, 429, 200, 429]],
  ["a long value", byUser, [as("a".repeat(5_000)), as(`${"a".repeat(4_999)}b`)], [200, 200]],
  ["a route", { by: "route" }, [from("192.0.2.1"), from("192.0.2.2")], [200, 429]],
  [
    "what a function says",
    { by: (x) => x.headers["x-user"]?.slice(0, 1) as string | undefined },
    [as("ab"), as("ac"), as("b"), {}, {}],
    [200, 429, 200, 200, 200],
  ],
  [
    "an address where no client has a name",
    {},
    [from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.1")],
    [200, 200, 429],
  ],
])("counts by %s", (_, options, asked, statuses) =>
  limited({ requests: 1, ...options }, async ({ ask }) => expect(await ask(...asked)).toEqual(statuses)),
);

test("a function that returns no text is a fault of the plugin, which the log tells", () =>
  withGuard(
    () => [rateLimit({ requests: 1, by: () => 7 as unknown as string })],
    async ({ ask, log }) => {
      expect((await ask({})).status).toBe(500);
      expect(log()).toContain("by returned a value of type number");
    },
  ));

describe("with keys", () => {
  const secret = (name: string): string => `canary-${name}-0123456789`;
  const bearer = (name: string): GuardRequest => ({ headers: { authorization: `Bearer ${secret(name)}` } });
  const entry = (name: string, limits?: Record<string, number>) => ({
    name,
    hash: createHash("sha256").update(secret(name)).digest("hex"),
    ...(limits && { limits }),
  });

  async function statuses(options: RateLimitOptions, asked: readonly GuardRequest[]): Promise<number[]> {
    const all: number[] = [];
    const entries = [
      entry("alice"),
      entry("bob", { requests: 3, "day.requests": 2 }),
      entry("carol", { requests: 0, concurrent: 9 }),
      entry("dave", { tokens: 1 }),
    ];
    await withGuard(
      () => [rateLimit(options), keys({ keys: entries, open: ["/open"] })],
      async ({ ask }) => {
        for (const each of asked) all.push((await ask(each)).status);
      },
    );
    return all;
  }

  test("a client is counted by its name, and its own limits hold in place of the rule's", async () => {
    const asked = ["alice", "bob", "alice", "bob", "bob", "bob", "carol"].map(bearer);
    expect(await statuses({ requests: 1 }, asked)).toEqual([200, 200, 429, 200, 200, 429, 429]);
  });

  test("a rule with a name has its own limits in a key", async () => {
    const asked = ["bob", "bob", "bob"].map(bearer);
    expect(await statuses({ requests: 9, per: 86_400_000, name: "day" }, asked)).toEqual([200, 200, 429]);
  });

  test("the limits of keys hold where the rule has none", async () => {
    const asked = [bearer("alice"), bearer("alice"), bearer("carol"), bearer("dave")];
    expect(await statuses({}, asked)).toEqual([200, 200, 429, 200]);
    const sent = [bearer("dave"), bearer("dave")].map((each) => ({ ...each, method: "POST", body: "{}" }));
    expect(await statuses({}, sent)).toEqual([200, 429]);
  });

  test("a bad key is refused as such, and takes nothing", async () => {
    const asked = [bearer("mallory"), bearer("mallory"), bearer("alice")];
    expect(await statuses({ requests: 1, by: "all" }, asked)).toEqual([401, 401, 200]);
  });

  test("where no key is needed the address counts", async () => {
    const asked = [{ path: "/open" }, bearer("alice"), { path: "/open" }];
    expect(await statuses({ requests: 1 }, asked)).toEqual([200, 200, 429]);
  });
});

test("limits of a model count when it is known, for that model only", async () => {
  const naming = definePlugin({
    name: "naming",
    setup: () => ({
      inspect(x) {
        x.model = x.headers["x-model"]?.toString();
      },
    }),
  });
  const model = (name: string): GuardRequest => ({ headers: { "x-model": name } });
  await withGuard(
    () => [rateLimit({ requests: 1, by: "all", models: ["gpt-*", "big"] }), naming()],
    async ({ ask }) => {
      const statuses: number[] = [];
      for (const name of ["gpt-4", "big", "small", "gpt-5"]) statuses.push((await ask(model(name))).status);
      expect(statuses).toEqual([200, 429, 200, 429]);
      expect((await ask({})).status).toBe(200);
    },
  );
});

test("a reload keeps the counts, and takes new numbers", async () => {
  const url = await openUpstream((_, response) => void response.end("ok"));
  const plugins = (requests: number): Plugin[] => [rateLimit({ requests }), staticTargets({ targets: [url] })];
  const { proxy, url: at } = await openProxy(plugins(2));
  const ask = async (): Promise<number> => (await fetch(at)).status;
  expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
  await proxy.reload({ plugins: plugins(3) });
  expect([await ask(), await ask()]).toEqual([200, 429]);
});

test("of too many keys the one whose window began first is forgotten", () =>
  limited({ ...byUser, requests: 1, maxKeys: 2 }, async ({ ask, pass }) => {
    expect(await ask(as("a"), as("b"), as("a"), as("b"))).toEqual([200, 200, 429, 429]);
    pass(1);
    expect(await ask(as("c"), as("b"), as("a"))).toEqual([200, 429, 200]);
  }));

test("two instances count by themselves, and both hold", () =>
  withGuard(
    () => [rateLimit({ requests: 3, by: "all" }), rateLimit({ ...byUser, requests: 1, tokens: 5_000 })],
    async ({ ask }) => {
      const statuses: number[] = [];
      for (const user of ["a", "a", "b", "c", "d"])
        statuses.push((await ask({ ...as(user), method: "POST", body: "{}" })).status);
      expect(statuses.filter((status) => status === 200).length).toBe(2);
      expect(statuses.slice(0, 2)).toEqual([200, 429]);
    },
  ));

test("explain tells what is left and takes nothing", () =>
  limited({ requests: 2, by: "all" }, async ({ ask, explain }) => {
    await ask({});
    for (let i = 0; i < 3; i++) expect(await explain({})).toContain("rate-limit: all has 0 of 2 requests left");
    expect(await ask({}, {})).toEqual([200, 429]);
    expect(await explain({})).toContain("rate_limited");
  }));

test("what is explained as if it were sent many times is not refused for that", () =>
  withGuard(
    () => [rateLimit({ requests: 2, concurrent: 1, tokens: 900, by: "all" })],
    async ({ proxy, ask }) => {
      const { distribution } = await proxy.explain({ path: "/", body: "{}", draws: 10 });
      expect(Object.values(distribution ?? {})).toEqual([10]);
      expect((await ask({ method: "POST", body: "{}" })).status).toBe(200);
    },
  ));

test("a page may read why it was refused", () =>
  withGuard(
    () => [rateLimit({ requests: 0, by: "all" }), cors({ origins: ["https://app.example"] })],
    async ({ ask }) => {
      const { status, headers } = await ask({ headers: { origin: "https://app.example" } });
      expect([status, headers["access-control-allow-origin"]]).toEqual([429, "https://app.example"]);
    },
  ));
