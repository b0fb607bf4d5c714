import { expect } from "vitest";
import { testWithRedis as test } from "../../redis.ts";
import { ownRedis } from "./registry-redis-rig.ts";
import { startRegistry, watch } from "./registry-rig.ts";

test("watchers are told all anew when Redis comes back without its data", async () => {
  const server = await ownRedis();
  const { url, register } = await startRegistry({ storage: `redis://127.0.0.1:${server.port}` });
  await register();
  const watching = await watch(url);
  const first = await watching.next();
  expect(first).toMatchObject({ event: "sync", data: { services: [{ name: "a" }] } });
  await server.client().flushall();
  const again = await watching.next();
  expect(again).toMatchObject({ event: "sync", data: { services: [{ name: "a" }] } });
  expect(again.data.epoch).not.toBe(first.data.epoch);
  watching.leave();
});

test("the limit of services holds over all processes", async () => {
  const server = await ownRedis();
  const options = { storage: `redis://127.0.0.1:${server.port}`, limits: { entries: 2 } };
  const [one, other] = [await startRegistry(options), await startRegistry(options)];
  const names = ["a", "b", "c", "d"];
  const answers = await Promise.all(names.map((name, i) => (i % 2 === 0 ? one : other).register({ name })));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 507, 507]);
});
