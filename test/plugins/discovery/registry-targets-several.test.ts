import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { startRig } from "./registry-rig.ts";
import { entry, stubRegistry } from "./stub-registry.ts";

describe("several registries", () => {
  test("are asked in their order: the next one when the first fails, the first when it is back", async () => {
    const [first, second] = [
      await stubRegistry([entry("a")]),
      await stubRegistry([entry("a"), entry("b")], { epoch: "e2" }),
    ];
    let time = 0;
    const { ids, proxy } = await startRig({ url: [first.url, second.url], now: () => time });
    expect(ids()).toEqual(["a"]);
    expect(second.asked).toEqual([]);
    await first.kill();
    await eventually(() => expect(ids()).toEqual(["a", "b"]));
    await eventually(() => expect(second.watchers).toBe(1));
    expect(proxy.status().stale).toEqual([]);
    await first.comeBack();
    time += 30_000;
    await eventually(() => expect([first.watchers, second.watchers]).toEqual([1, 0]));
    expect(ids()).toEqual(["a", "b"]);
  });

  test("are told of by name when all are away", async () => {
    const [first, second] = [await stubRegistry([]), await stubRegistry([])];
    await Promise.all([first.kill(), second.kill()]);
    const { proxy } = await startRig({ url: [`${first.url}/`, `${second.url}/base`] });
    const [stale] = proxy.status().stale;
    expect(stale?.error).toContain(`(${first.url}: ECONNREFUSED; ${second.url}/base: ECONNREFUSED)`);
  });
});

test("reads with the token, which no error and no log tells", async () => {
  const token = "very-secret-token-0123";
  const registry = await stubRegistry([entry("a")]);
  const { ids, log, proxy } = await startRig({ url: registry.url, token });
  expect(ids()).toEqual(["a"]);
  await eventually(() => expect(registry.watchers).toBe(1));
  expect(registry.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`, `Bearer ${token}`]);
  registry.instead = (_request, response) => void response.writeHead(401).end(token);
  registry.hangUp();
  await eventually(() => expect(proxy.status().stale[0]?.error).toContain("status 401"));
  expect(JSON.stringify([log, proxy.status()])).not.toContain(token);
});

test("closes its connections with its generation, and watches in the next", async () => {
  const registry = await stubRegistry([entry("a")]);
  const { reload, proxy } = await startRig({ url: registry.url });
  await eventually(() => expect(registry.watchers).toBe(1));
  await reload();
  await eventually(() => expect(registry.requests.filter(({ url }) => url?.includes("watch"))).toHaveLength(2));
  await eventually(() => expect(registry.watchers).toBe(1));
  await proxy.close();
  await eventually(() => expect(registry.watchers).toBe(0));
});
