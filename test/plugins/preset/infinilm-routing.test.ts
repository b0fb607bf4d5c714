import { describe, expect, test } from "vitest";
import { echo, entryOf, openRegistry, openRouter, openService, until } from "./infinilm-stage.ts";

// What InfiniLM's router did wrong with models, errors and sessions; examples/infinilm names these tests.

describe("the list of models", () => {
  test.each(["/models", "/v1/models"])("at %s is that of all healthy services", async (path) => {
    const [one, two, other] = [await openService("one"), await openService("two"), await openService("other")];
    const full = { id: "b", object: "model", created: 7, owned_by: "me" };
    const registry = await openRegistry(
      entryOf(one, { models: ["b", "z"], models_list: [full] }),
      entryOf(two, { models: ["a", "b"] }),
      entryOf(other, { type: "vLLM", models: ["c"] }),
    );
    const router = await openRouter({ registryUrl: registry.url });
    const { object, data } = (await router.json(path)) as { object: string; data: object[] };
    expect(object).toBe("list");
    expect(data).toEqual([expect.objectContaining({ id: "a" }), full]);
    two.close();
    await until(async () => expect(await router.json(path)).toEqual({ object: "list", data: [full] }));
  });
});

describe("errors", () => {
  test("are flat, as clients of the original expect, and name the model", async () => {
    const service = await openService("one");
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url });
    const response = await router.ask({ model: "x" });
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ error: "No healthy services available for model 'x'" });
  });

  test("keep the cause when nobody is left to try", async () => {
    const service = await openService("one");
    const registry = await openRegistry(entryOf(service));
    const router = await openRouter({ registryUrl: registry.url, healthInterval: 3_600_000 });
    service.answer(echo("one"));
    service.close();
    const response = await router.ask();
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual({ error: "The upstream could not be reached." });
  });
});

describe("sessions", () => {
  const key = (i: number): { prompt_cache_key: string } => ({ prompt_cache_key: `session ${i}` });

  test("stay where they are when a service comes, but for its own share, and two routers agree", async () => {
    const services = [await openService("one"), await openService("two"), await openService("three")];
    const [one, two] = [services.slice(0, 2), services].map((some) => openRegistry(...some.map((s) => entryOf(s))));
    const routers = [
      await openRouter({ registryUrl: (await one)?.url ?? "" }),
      await openRouter({ registryUrl: (await two)?.url ?? "" }),
      await openRouter({ registryUrl: (await two)?.url ?? "" }),
    ] as const;
    const homes = async (router: (typeof routers)[number]): Promise<string[]> => {
      const found: string[] = [];
      for (let i = 0; i < 30; i++) found.push(await router.by(key(i)));
      return found;
    };
    const [before, after, again] = [await homes(routers[0]), await homes(routers[1]), await homes(routers[2])];
    expect(again).toEqual(after);
    expect(after.every((home, i) => home === before[i] || home === "three")).toBe(true);
    expect(new Set(after).size).toBe(3);
  });

  test("without a key are told by the forwarded address and the client's name", async () => {
    const services = [await openService("one"), await openService("two")];
    const registry = await openRegistry(...services.map((service) => entryOf(service)));
    const router = await openRouter({ registryUrl: registry.url });
    const from = (address: string): Promise<string> => router.by({}, { "x-forwarded-for": address, "user-agent": "a" });
    const first = await from("10.0.0.1");
    for (let i = 0; i < 4; i++) expect(await from("10.0.0.1")).toBe(first);
    const homes = new Set<string>();
    for (let i = 0; i < 20; i++) homes.add(await from(`10.0.1.${i}`));
    expect(homes.size).toBe(2);
  });

  test("come after the cache type of the service, which is by the size of the text", async () => {
    const services = [await openService("paged"), await openService("static")];
    const registry = await openRegistry(...services.map((service) => entryOf(service, { cache_type: service.name })));
    const router = await openRouter({ registryUrl: registry.url, cacheTypeThreshold: 100 });
    for (let i = 0; i < 3; i++) {
      expect(await router.by({ prompt: "short", ...key(i) })).toBe("paged");
      expect(await router.by({ messages: [{ content: "long ".repeat(40) }], ...key(i) })).toBe("static");
    }
  });
});
