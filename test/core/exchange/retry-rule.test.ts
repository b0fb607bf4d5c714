import type { ProxyConfig, RetryClass } from "plugboard";
import { describe, expect, test } from "vitest";
import type { ActiveExchange } from "../../../core/exchange/exchange.ts";
import { mayRetry, untried } from "../../../core/exchange/retry-rule.ts";
import { routeOf } from "../../../core/generation/routes.ts";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { at } from "../../wire/waiting.ts";
import { rehearsed } from "./rehearsed.ts";

const targets = (count: number): { url: string }[] => Array.from({ length: count }, (_, i) => ({ url: `mem://t${i}` }));

interface Given {
  readonly method?: string;
  readonly retry?: ProxyConfig["retry"];
  readonly targets?: number;
  readonly weights?: readonly number[];
}

/** An exchange whose first attempt, on the first target, has just failed. */
async function failedOnce({ method = "GET", retry, targets: count = 2 }: Given = {}): Promise<ActiveExchange> {
  const config: ProxyConfig = { plugins: [memUpstream(sayOk, targets(count))], ...(retry && { retry }) };
  const x = await rehearsed(config, { method });
  x.target = at(routeOf(x).candidates());
  x.attempt = 1;
  x.routed = x.route;
  return x;
}

const idempotent = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];
const others = ["POST", "PATCH", "LOCK", "MKCOL"];

describe("a failed connect is tried elsewhere whatever the method: nothing was sent", () => {
  test.each([...idempotent, ...others])("%s", async (method) => {
    expect(mayRetry(await failedOnce({ method }), "connect")).toBe(true);
  });
});

describe("a reset is tried elsewhere if the method may be repeated", () => {
  test.each(idempotent)("%s: yes", async (method) => {
    expect(mayRetry(await failedOnce({ method }), "reset")).toBe(true);
  });

  test.each(others)("%s: only where the route says so", async (method) => {
    expect(mayRetry(await failedOnce({ method }), "reset")).toBe(false);
    expect(mayRetry(await failedOnce({ method, retry: { nonIdempotent: true } }), "reset")).toBe(true);
  });
});

describe("what a plugin abandoned is tried again", () => {
  test("whatever the method, and also with the only target there is", async () => {
    const x = await failedOnce({ method: "POST", targets: 1 });
    expect(mayRetry(x, "abandoned")).toBe(true);
    expect(mayRetry(x, "connect")).toBe(false);
  });

  test.each<[string, (x: ActiveExchange) => void]>([
    ["the attempts are used up", (x) => void (x.attempt = 3)],
    ["the client has part of an answer", (x) => void (x.committed = true)],
    ["the body cannot be sent again", (x) => void (x.bodyStarted = true)],
    ["the client left", (x) => void (x.gone = true)],
    ["too many others are tried again", (x) => void (x.generation.proxy.retrying = 3)],
    ["each target was tried before", (x) => void (x.tried = routeOf(x).candidates())],
  ])("but not when %s", async (_when, change) => {
    const x = await failedOnce();
    change(x);
    expect(mayRetry(x, "abandoned")).toBe(false);
  });
});

test("a POST with an Idempotency-Key may be repeated: the upstream knows it again", async () => {
  const x = await failedOnce({ method: "POST" });
  x.pairs.push("idempotency-key", "a");
  expect(mayRetry(x, "reset")).toBe(true);
});

describe("the classes of the policy", () => {
  test.each<[RetryClass, ProxyConfig["retry"], boolean]>([
    ["connect", undefined, true],
    ["reset", undefined, true],
    ["timeout", undefined, false],
    ["timeout", { on: ["timeout"] }, true],
    ["connect", { on: ["timeout"] }, false],
    ["reset", { on: ["connect"] }, false],
    ["connect", { on: [] }, false],
    ["reset", { on: [] }, false],
  ])("%s with %j: %s", async (kind, retry, expected) => {
    expect(mayRetry(await failedOnce({ ...(retry && { retry }) }), kind)).toBe(expected);
  });

  test("a timeout of a POST needs both the class and the leave", async () => {
    const only = await failedOnce({ method: "POST", retry: { on: ["timeout"] } });
    const both = await failedOnce({ method: "POST", retry: { on: ["timeout"], nonIdempotent: true } });
    expect([mayRetry(only, "timeout"), mayRetry(both, "timeout")]).toEqual([false, true]);
  });
});

describe("nothing is tried elsewhere", () => {
  test.each<[string, (x: ActiveExchange) => void]>([
    ["once the response has begun", (x) => void (x.committed = true)],
    ["once a part of the body is gone", (x) => void (x.bodyStarted = true)],
    ["once the client is gone", (x) => void (x.gone = true)],
    ["when all attempts are used", (x) => void (x.attempt = 3)],
    ["when no untried target is left", (x) => void (x.tried = routeOf(x).candidates().slice(1))],
  ])("%s, not even when a plugin asks", async (_when, change) => {
    const x = await failedOnce();
    change(x);
    expect([mayRetry(x, "connect"), mayRetry(x, "status", true)]).toEqual([false, false]);
  });

  test("when the target that failed is the only one", async () => {
    expect(mayRetry(await failedOnce({ targets: 1 }), "connect")).toBe(false);
  });

  test("when attempts is 1", async () => {
    expect(mayRetry(await failedOnce({ retry: { attempts: 1 } }), "connect")).toBe(false);
  });
});

describe("what a plugin asks for", () => {
  test.each(others)("%s: the class and the method are its business", async (method) => {
    expect(mayRetry(await failedOnce({ method, retry: { on: [] } }), "status", true)).toBe(true);
  });
});

describe("the retry budget", () => {
  test("is three retries under way, or a fifth of the exchanges if that is more", async () => {
    const x = await failedOnce();
    const { proxy } = x.generation;
    const allowed = (retrying: number, active: number): boolean => {
      proxy.retrying = retrying;
      proxy.active.size = active;
      return mayRetry(x, "reset");
    };
    expect([allowed(2, 0), allowed(3, 0), allowed(3, 15), allowed(3, 16), allowed(19, 100), allowed(20, 100)]).toEqual([
      true,
      false,
      false,
      true,
      true,
      false,
    ]);
    proxy.active.size = 0;
  });

  test("is nothing that a failed connect has to ask: it gave no upstream any work", async () => {
    const x = await failedOnce();
    x.generation.proxy.retrying = 1_000;
    expect([mayRetry(x, "connect"), mayRetry(x, "reset")]).toEqual([true, false]);
  });

  test("saves up one retry for each five exchanges that went well without, and a hundred at most", async () => {
    const x = await failedOnce();
    const { proxy } = x.generation;
    /** How many may be retried when more than a fifth of what is under way is being retried. */
    const saved = (): number => {
      let count = 0;
      for (proxy.retrying = 1_000; mayRetry(x, "reset"); count++) proxy.countRetry();
      return count;
    };
    for (let i = 0; i < 10; i++) proxy.countEnd(false, true);
    expect(saved()).toBe(2);
    for (let i = 0; i < 10_000; i++) proxy.countEnd(false, true);
    expect(saved()).toBe(100);
    expect(saved()).toBe(0);
  });

  test("saves up as many as are under way, where that is more", async () => {
    const x = await failedOnce();
    const { proxy } = x.generation;
    proxy.active.size = 400;
    for (let i = 0; i < 10_000; i++) proxy.countEnd(false, true);
    proxy.active.size = 0;
    let count = 0;
    for (proxy.retrying = 1_000; mayRetry(x, "reset"); count++) proxy.countRetry();
    expect(count).toBe(400);
  });

  test("saves nothing up by what failed", async () => {
    const x = await failedOnce();
    const { proxy } = x.generation;
    for (let i = 0; i < 100; i++) proxy.countEnd(false, false);
    proxy.retrying = 1_000;
    expect(mayRetry(x, "reset")).toBe(false);
  });

  test("leaves what is saved up alone while a fifth is not reached", async () => {
    const x = await failedOnce();
    const { proxy } = x.generation;
    for (let i = 0; i < 5; i++) proxy.countEnd(false, true);
    proxy.countRetry();
    proxy.retrying = 1_000;
    expect(mayRetry(x, "reset")).toBe(true);
  });

  test("is not asked again by an exchange that is in it", async () => {
    const x = await failedOnce({ targets: 3 });
    x.retried = true;
    x.generation.proxy.retrying = 1_000;
    expect(mayRetry(x, "reset")).toBe(true);
  });
});

describe("an exchange that a plugin sent another way", () => {
  test("has new attempts, and all targets of its new route, that of the failed attempt too", async () => {
    const x = await failedOnce({ targets: 1 });
    x.attempt = 3;
    x.routed = undefined;
    expect(mayRetry(x, "status", true)).toBe(true);
  });
});

describe("the untried", () => {
  test("are the very same array while nothing was tried", async () => {
    const x = await failedOnce();
    const candidates = routeOf(x).candidates();
    expect(untried(x, candidates)).toBe(candidates);
  });

  test("are known by id, so that a view of a tried target is no other target", async () => {
    const x = await failedOnce();
    const [first, second] = routeOf(x).candidates();
    x.tried = [Object.assign(Object.create(null), first)];
    expect(untried(x, routeOf(x).candidates())).toEqual([second]);
  });
});
