import { expect, onTestFinished } from "vitest";
import { startRedis, testWithRedis as test } from "../../redis.ts";
import { ask, type Command, freePair, getJson, openStack, type Stack, until, urlOf } from "./stack.ts";

interface Rig {
  readonly stack: Stack;
  readonly registries: readonly Command[];
  readonly urls: readonly string[];
  readonly router: string;
  readonly redis: Awaited<ReturnType<typeof startRedis>>;
}

/** Three registries over one Redis, a babysitter and a router that know all three. */
async function openRig(): Promise<Rig> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const stack = await openStack();
  onTestFinished(() => stack.close(), 60_000);
  const storage = `redis://127.0.0.1:${redis.port}`;
  const open = (): Promise<Command> =>
    stack.start(["registry", "--port", "0", "--bind", "127.0.0.1", "--storage", storage]);
  const registries = await Promise.all([open(), open(), open()]);
  const urls = registries.map(urlOf);
  const flags = ["--health-interval", "1", "--registry-sync-interval", "1", "--bind", "127.0.0.1"];
  const known = urls.flatMap((url) => ["--registry-url", url]);
  const router = urlOf(await stack.start(["router", "--router-port", "0", ...flags, ...known]));
  await stack.babysit({ name: "one", port: await freePair(), registry: urls, models: ["a"] });
  await until(async () => expect((await ask(router, "a")).status).toBe(200));
  return { stack, registries, urls, router, redis };
}

test("one of three registries is killed, and everything goes on", { timeout: 60_000 }, async () => {
  const { stack, registries, urls, router } = await openRig();
  for (const url of urls) {
    await until(async () => expect(await getJson(`${url}/services/one-server`)).toMatchObject({ is_healthy: true }));
  }
  // The first, which both the router and the babysitter prefer.
  await registries[0]?.end("SIGKILL");
  expect((await ask(router, "a")).status).toBe(200);
  // A change goes on to reach the router, and a heartbeat a registry.
  const left = urls.slice(1);
  await stack.babysit({ name: "two", port: await freePair(), registry: urls, models: ["b"] });
  await until(async () => expect((await ask(router, "b")).status).toBe(200));
  const beatOf = async (url: string): Promise<unknown> => (await getJson(`${url}/services/one-server`)).last_heartbeat;
  for (const url of left) {
    const before = await beatOf(url);
    await until(async () => expect(await beatOf(url)).not.toBe(before));
  }
  expect((await ask(router, "a")).status).toBe(200);
});

test("Redis is killed and comes back empty, and nobody is forgotten", { timeout: 60_000 }, async () => {
  const { urls, router, redis } = await openRig();
  await redis.kill();
  for (let round = 0; round < 10; round++) expect((await ask(router, "a")).status).toBe(200);
  await redis.restart({ empty: true });
  const statuses = new Set<number>();
  for (const url of urls) {
    await until(async () => {
      statuses.add((await ask(router, "a")).status);
      expect(await getJson(`${url}/health`)).toMatchObject({ status: "healthy" });
      expect(await getJson(`${url}/services/one-server`)).toMatchObject({ is_healthy: true });
    });
  }
  expect(statuses).toEqual(new Set([200]));
});
