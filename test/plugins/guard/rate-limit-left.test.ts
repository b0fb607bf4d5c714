import { request } from "node:http";
import { definePlugin } from "plugboard";
import { staticTargets } from "plugboard/plugins";
import { expect, test } from "vitest";
import { createLimiter, type Limit } from "../../../plugins/guard/_rate-limiter.ts";
import { toRule } from "../../../plugins/guard/_rate-rules.ts";
import { createLocalStore, type RateStore } from "../../../plugins/guard/_rate-windows.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openProxy } from "../../e2e/open-proxy.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";

test("what was taken for a client that left meanwhile goes back", async () => {
  const rule = toRule({ by: "all", requests: 1 }, () => undefined);
  const meter = { rule: "all", per: 60_000, windows: new Map() };
  const limit: Limit = {
    rule,
    requests: { ...meter, kind: "requests" },
    tokens: { ...meter, kind: "tokens" },
    seats: new Map(),
  };
  const now = (): number => 0;
  const local = createLocalStore({ now, maxKeys: 10 });
  const asked: (() => void)[] = [];
  // As one that is far away.
  const far: RateStore = {
    take: async (claim) => {
      await new Promise<void>((resolve) => void asked.push(resolve));
      return local.take(claim);
    },
    correct: local.correct,
  };
  const limited = definePlugin({
    name: "limited",
    setup(proxy) {
      const options = { limits: [limit], reserve: 0, headers: true, unavailable: "refuse", now } as const;
      const limiter = createLimiter(proxy, { ...options, store: () => far });
      return { request: (x) => limiter.enter(x, false), end: (x, outcome) => limiter.end(x, outcome) };
    },
  });
  const url = await openUpstream((_, response) => void response.end());
  const { proxy, url: at } = await openProxy([limited(), staticTargets({ targets: [url] })]);
  const left = request(at, { agent: false })
    .on("error", () => undefined)
    .end();
  await eventually(() => expect(asked).toHaveLength(1));
  left.destroy();
  await eventually(() => expect(proxy.status().active).toBe(0));
  asked[0]?.();
  const next = fetch(at);
  await eventually(() => expect(asked).toHaveLength(2));
  asked[1]?.();
  expect((await next).status).toBe(200);
});
