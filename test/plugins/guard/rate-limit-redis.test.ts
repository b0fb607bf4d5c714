import { once } from "node:events";
import { createServer } from "node:net";
import { createConsola } from "consola";
import { createProxy, definePlugin, type Plugin, type Proxy } from "plugboard";
import { jsonUsage, staticTargets } from "plugboard/plugins";
import { expect, onTestFinished, test } from "vitest";
import { assertNoMoreHandles, openHandles } from "../../../core/testing/handles.ts";
import { loadPlugins } from "../../../core/testing/plugin.ts";
import { rateLimit, type RateLimitOptions } from "../../../plugins/guard/rate-limit.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";
import { type RedisServer, startRedis, startWay, testWithRedis } from "../../redis.ts";

interface Limited {
  readonly proxy: Proxy;
  readonly log: string[];
  /** The status of a request; `most`: with a body that asks for so many tokens. */
  ask(most?: number): Promise<number>;
  headers(): Promise<Headers>;
}

const answer = JSON.stringify({ usage: { prompt_tokens: 10, completion_tokens: 30, total_tokens: 40 } });

const reading = definePlugin({ name: "reading", setup: (proxy) => proxy.needs({ body: "json" }) });

async function redisServer(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return redis;
}

function upstream(): Promise<string> {
  return openUpstream((_, response) => {
    response.setHeader("content-type", "application/json");
    response.end(answer);
  });
}

async function open(port: number, options: RateLimitOptions, more: readonly Plugin[] = []): Promise<Limited> {
  const log: string[] = [];
  const consola = createConsola({ level: 3, reporters: [{ log: ({ args }) => void log.push(args.join(" ")) }] });
  const plugins = [
    rateLimit({ ...(options.rules === undefined && { by: "all" }), redis: `redis://127.0.0.1:${port}`, ...options }),
    staticTargets({ targets: [await upstream()] }),
    jsonUsage(),
    reading(),
    ...more,
  ];
  const proxy = await createProxy({ plugins }, { log: consola });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url } = await proxy.listen({ port: 0 });
  async function ask(most?: number): Promise<Response> {
    const body = most === undefined ? {} : { method: "POST", body: JSON.stringify({ max_tokens: most }) };
    const response = await fetch(url, { ...body, headers: { "content-type": "application/json", "x-user": "canary" } });
    await response.arrayBuffer();
    return response;
  }
  return {
    proxy,
    log,
    ask: async (most) => (await ask(most)).status,
    headers: async () => (await ask()).headers,
  };
}

testWithRedis("two proxies share their counts, and each refuses what the other let in", async () => {
  const { port } = await redisServer();
  const [one, two] = [await open(port, { requests: 3 }), await open(port, { requests: 3 })];
  expect([await one.ask(), await two.ask(), await one.ask()]).toEqual([200, 200, 200]);
  expect([await two.ask(), await one.ask()]).toEqual([429, 429]);
  const headers = await two.headers();
  expect(headers.get("x-ratelimit-remaining-requests")).toBe("0");
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(60);
  const other = await open(port, { requests: 3, prefix: "other:" });
  expect(await other.ask()).toBe(200);
});

testWithRedis("exactly as many pass as are allowed, however many ask at once", async () => {
  const { port } = await redisServer();
  const proxies = await Promise.all([1, 2, 3].map(() => open(port, { requests: 20, unavailable: "refuse" })));
  const statuses = await Promise.all(proxies.flatMap(({ ask }) => Array.from({ length: 15 }, () => ask())));
  const count = (status: number): number => statuses.filter((one) => one === status).length;
  // A machine that is too busy for Redis to answer in time gives 503 in the place of either.
  expect(count(200)).toBeLessThanOrEqual(20);
  expect(count(200) + count(503)).toBeGreaterThanOrEqual(20);
  expect(count(429)).toBeLessThanOrEqual(25);
});

testWithRedis("the window ends, and its keys are gone; they show no value of a header", async () => {
  const redis = await redisServer();
  const client = redis.client();
  const by = { header: "x-user" };
  const { ask, proxy } = await open(redis.port, { by, requests: 1, tokens: 1_000, per: 1_000 });
  expect([await ask(100), await ask(100)]).toEqual([200, 429]);
  await eventually(() => expect(proxy.status().active).toBe(0));
  const names = await client.keys("*");
  expect(names.toSorted().map((name) => name.replace(/[\w-]{43}$/, "#"))).toEqual([
    "plugboard:rate-limit:x-user:requests:#",
    "plugboard:rate-limit:x-user:tokens:#",
  ]);
  await expect.poll(() => client.keys("*"), { timeout: 4_000 }).toEqual([]);
  expect(await ask(100)).toBe(200);
});

testWithRedis("tokens become those that were used, and what is refused is taken from nothing", async () => {
  const redis = await redisServer();
  const client = redis.client();
  const rules = [
    { by: "all", requests: 100, tokens: 1_000 },
    { by: "route", requests: 3 },
  ] as const;
  const { ask } = await open(redis.port, { rules });
  const read = async (): Promise<(string | null)[]> =>
    Promise.all(
      ["all:requests:", "all:tokens:", "route:requests:default"].map((key) =>
        client.get(`plugboard:rate-limit:${key}`),
      ),
    );
  expect(await ask(900)).toBe(200);
  await expect.poll(read, { timeout: 4_000 }).toEqual(["1", "40", "1"]);
  expect(await ask(970)).toBe(429);
  await expect.poll(read, { timeout: 4_000 }).toEqual(["1", "40", "1"]);
  expect([await ask(900), await ask(10)]).toEqual([200, 200]);
  await expect.poll(read, { timeout: 4_000 }).toEqual(["3", "120", "3"]);
  expect(await ask(10)).toBe(429);
  await expect.poll(read, { timeout: 4_000 }).toEqual(["3", "120", "3"]);
});

testWithRedis("what is given back late goes to nobody", async () => {
  const redis = await redisServer();
  const client = redis.client();
  const held: (() => void)[] = [];
  const hold = definePlugin({
    name: "hold",
    setup: () => ({ upstreamRequest: () => new Promise<void>((resolve) => void held.push(resolve)) }),
  });
  let time = 0;
  const { ask, log, proxy } = await open(redis.port, { tokens: 1_000, now: () => time }, [hold()]);
  const late = ask(900);
  await eventually(() => expect(held).toHaveLength(1));
  const key = "plugboard:rate-limit:all:tokens:";
  // Its window ends, and somebody else begins the next.
  await client.del(key);
  held[0]?.();
  expect(await late).toBe(200);
  await client.ping();
  expect(await client.get(key)).toBe(null);
  await client.set(key, 25, "PX", 60_000);
  const next = ask(900);
  await eventually(() => expect(held).toHaveLength(2));
  await client.set(key, 25, "KEEPTTL");
  held[1]?.();
  expect(await next).toBe(200);
  await expect.poll(() => client.get(key), { timeout: 4_000 }).toBe("0");
  const last = ask(900);
  await eventually(() => expect(held).toHaveLength(3));
  await client.set(key, 925, "KEEPTTL");
  time = 60_001;
  held[2]?.();
  expect(await last).toBe(200);
  // One that is over by then, in a window that began anew.
  await eventually(() => expect(proxy.status().active).toBe(0));
  expect(await client.get(key)).toBe("925");
  expect(log.join()).not.toContain("Redis is away");
});

testWithRedis("while Redis is away each process counts by itself, tells it once, and goes back to it", async () => {
  const redis = await redisServer();
  const { ask, log } = await open(redis.port, { requests: 2 });
  expect(await ask()).toBe(200);
  await redis.kill();
  expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
  expect(log.filter((line) => line.includes("Redis is away"))).toHaveLength(1);
  expect(log.join()).toContain("this process counts by itself");
  await redis.restart({ empty: true });
  await eventually(() => expect(log.join()).toContain("Redis is back"));
  expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
  expect(await redis.client().get("plugboard:rate-limit:all:requests:")).toBe("2");
});

testWithRedis.each([
  ["pass", [200, 200, 200]],
  ["refuse", [503, 503, 503]],
  ["local", [200, 429, 429]],
] as const)("it starts without Redis, and unavailable: %s answers %j", async (unavailable, statuses) => {
  const redis = await redisServer();
  await redis.kill();
  const { ask, log } = await open(redis.port, { requests: 1, unavailable });
  expect([await ask(), await ask(), await ask()]).toEqual(statuses);
  expect(log.filter((line) => line.includes("Redis is away"))).toHaveLength(1);
  await redis.restart({ empty: true });
  await eventually(() => expect(log.join()).toContain("Redis is back"));
  expect([await ask(), await ask()]).toEqual([200, 429]);
});

testWithRedis("a Redis that hangs holds nobody up for long", async () => {
  const redis = await redisServer();
  const way = await startWay(redis.port);
  onTestFinished(() => way.close());
  const { ask, log } = await open(way.port, { requests: 4 });
  expect(await ask()).toBe(200);
  redis.hang();
  expect([await ask(), await ask(), await ask(), await ask(), await ask()]).toEqual([200, 200, 200, 200, 429]);
  expect(log.filter((line) => line.includes("Redis is away"))).toHaveLength(1);
  redis.resume();
  await eventually(() => expect(log.join()).toContain("Redis is back"));
  expect(await ask()).toBe(200);
});

testWithRedis("an error of Redis is as if it were away", async () => {
  const redis = await redisServer();
  const client = redis.client();
  const { ask, log } = await open(redis.port, { requests: 1 });
  await client.lpush("plugboard:rate-limit:all:requests:", "not a count");
  expect([await ask(), await ask()]).toEqual([200, 429]);
  expect(log.join()).toContain("WRONGTYPE");
  await client.del("plugboard:rate-limit:all:requests:");
  expect([await ask(), await ask()]).toEqual([200, 429]);
});

testWithRedis("explain asks no Redis", async () => {
  const redis = await redisServer();
  const { proxy, ask } = await open(redis.port, { requests: 1 });
  await proxy.explain({ path: "/" });
  expect(await redis.client().keys("*")).toEqual([]);
  expect([await ask(), await ask()]).toEqual([200, 429]);
});

testWithRedis("nothing is left open, whether Redis is there or not", async () => {
  const redis = await redisServer();
  const silent = createServer((socket) => void socket.resume()).listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const address = silent.address();
  const mute = typeof address === "object" ? address?.port : 0;
  const before = await openHandles();
  for (const port of [redis.port, 9, mute]) {
    const proxy = await createProxy(
      { plugins: [rateLimit({ requests: 1, redis: `redis://127.0.0.1:${port}` })] },
      { log: createConsola({ level: 0 }) },
    );
    await proxy.close();
  }
  await assertNoMoreHandles(before);
});

testWithRedis("what is used at the very end is still settled", async () => {
  const redis = await redisServer();
  const { ask, proxy } = await open(redis.port, { tokens: 1_000 });
  expect(await ask(900)).toBe(200);
  await proxy.close();
  const client = redis.client();
  await expect.poll(() => client.get("plugboard:rate-limit:all:tokens:"), { timeout: 4_000 }).toBe("40");
});

test("a config that is only tried out connects to nothing", async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const generation = await loadPlugins([rateLimit({ requests: 1, redis: `redis://127.0.0.1:${port}` })]);
  await generation.start();
  await generation.close();
  expect(connections).toBe(0);
});
