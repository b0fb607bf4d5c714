import { describe, expect, test } from "vitest";
import { count, entryOf, openRegistry, openRouter, openService, until } from "./infinilm-stage.ts";

// What InfiniLM's router did wrong with the health and the list of its services; examples/infinilm names these tests.

describe("a registry that goes on listing a dead service as healthy", () => {
  test("does not bring it back into rotation", async () => {
    const [dead, alive] = [await openService("dead"), await openService("alive")];
    const registry = await openRegistry(entryOf(dead), entryOf(alive));
    const router = await openRouter({ registryUrl: registry.url });
    dead.close();
    await until(async () => expect(await router.healthy()).toEqual({ dead: false, alive: true }));
    const { asked } = registry;
    await until(() => expect(registry.asked).toBeGreaterThan(asked + 5));
    expect(await router.healthy()).toEqual({ dead: false, alive: true });
    expect(router.changes).toEqual(["dead down"]);
    for (let i = 0; i < 4; i++) expect(await router.by()).toBe("alive");
  });

  test("and a service that is back is used as soon as it answers a probe", async () => {
    const service = await openService("one");
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url });
    service.close();
    await until(async () => expect(await router.healthy()).toEqual({ one: false }));
    await service.open();
    await until(async () => expect(await router.by()).toBe("one"));
    expect(router.changes).toEqual(["one down", "one up"]);
  });
});

describe("health is that of the service, not of its babysitter", () => {
  test("it is asked on its own port", async () => {
    const service = await openService("one");
    await openRouter({ staticServices: [{ host: "127.0.0.1", port: service.port }] });
    expect(service.probes).toBeGreaterThan(0);
  });

  test("an engine without /health is up, one that fails is not", async () => {
    const [plain, broken] = [await openService("plain"), await openService("broken")];
    plain.health(404);
    broken.health(503);
    const registry = await openRegistry(entryOf(plain), entryOf(broken));
    const router = await openRouter({ registryUrl: registry.url });
    expect(await router.healthy()).toEqual({ plain: true, broken: false });
  });
});

describe("max-errors counts", () => {
  test("fewer failed probes than that take nothing out", async () => {
    const service = await openService("one");
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url, maxErrors: 1_000 });
    service.health(undefined);
    const { probes } = service;
    await until(() => expect(service.probes).toBeGreaterThan(probes + 5));
    service.health(200);
    expect(await router.by()).toBe("one");
    expect(router.changes).toEqual([]);
  });

  test("so many in a row do", async () => {
    const service = await openService("one");
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url, maxErrors: 2 });
    service.health(undefined);
    await until(() => expect(router.changes).toEqual(["one down"]));
  });

  test("requests that cannot connect count as well, long before the next probe", async () => {
    const [dead, alive] = [await openService("dead"), await openService("alive")];
    const registry = await openRegistry(entryOf(dead), entryOf(alive));
    const router = await openRouter({ registryUrl: registry.url, healthInterval: 3_600_000, maxErrors: 2 });
    dead.close();
    while (router.changes.length === 0) expect(await router.by()).toBe("alive");
    const { services } = await router.json("/services");
    expect(services).toContainEqual(
      expect.objectContaining({
        name: "dead",
        healthy: false,
        error_count: 2,
        verdicts: [{ reporter: "failed-connects", reason: "2 failed connects in a row" }],
      }),
    );
  });

  test("one that answers is forgiven", async () => {
    const [one, other] = [await openService("one"), await openService("other")];
    const registry = await openRegistry(entryOf(one), entryOf(other));
    const router = await openRouter({ registryUrl: registry.url, healthInterval: 3_600_000, maxErrors: 2 });
    const fail = async (): Promise<void> => {
      const before = (await errors(router)).one ?? 0;
      one.close();
      while (((await errors(router)).one ?? 0) === before) await router.by();
      await one.open();
      const { length } = one.asked;
      while (one.asked.length === length) await router.by();
    };
    for (let i = 0; i < 3; i++) await fail();
    expect(router.changes).toEqual([]);
  });
});

async function errors(router: { json(path: string): Promise<object> }): Promise<Record<string, number>> {
  const { services } = (await router.json("/services")) as { services: { name: string; error_count: number }[] };
  return Object.fromEntries(services.map(({ name, error_count }) => [name, error_count]));
}

test("static services stay when a registry does not list them", async () => {
  const [fixed, found, kept] = [await openService("fixed"), await openService("found"), await openService("kept")];
  const registry = await openRegistry(entryOf(found), entryOf(kept, { models: ["other"] }));
  const staticServices = [{ name: "fixed", host: "127.0.0.1", port: fixed.port, metadata: { models: ["m"] } }];
  const router = await openRouter({ registryUrl: registry.url, staticServices, removalGracePeriod: 1 });
  expect(await router.healthy()).toEqual({ fixed: true, found: true, kept: true });
  registry.list([entryOf(kept, { models: ["other"] })]);
  await until(async () => expect(await router.healthy()).toEqual({ fixed: true, kept: true }));
  expect(await router.by()).toBe("fixed");
});

test("weights travel through the registry", async () => {
  const [one, three] = [await openService("one"), await openService("three")];
  const registry = await openRegistry(entryOf(one), entryOf(three, {}, { weight: 3 }));
  const router = await openRouter({ registryUrl: registry.url });
  const by: string[] = [];
  for (let i = 0; i < 8; i++) by.push(await router.by());
  expect(count(by)).toEqual({ one: 2, three: 6 });
  expect(by.join(" ")).not.toContain("three three three three");
});

test("a registry that is gone leaves the services that were known", async () => {
  const service = await openService("one");
  const registry = await openRegistry(entryOf(service));
  const router = await openRouter({ registryUrl: registry.url, removalGracePeriod: 1 });
  const { asked } = registry;
  registry.list(undefined);
  await until(() => expect(registry.asked).toBeGreaterThan(asked + 3));
  expect(await router.by()).toBe("one");
});
