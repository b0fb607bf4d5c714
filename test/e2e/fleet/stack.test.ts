import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, type Command, freePair, getJson, openStack, type Stack, until, urlOf } from "./stack.ts";

// Registry, router, three babysitters and their engines, as the operator of an InfiniLM stack runs them.

const services = [
  { name: "one", models: ["a", "shared"] },
  { name: "two", models: ["b", "shared"] },
  { name: "three", models: ["c"] },
] as const;

let stack: Stack;
let registry: string;
let router: string;
const ports = new Map<string, number>();
const babysitters = new Map<string, Command>();

beforeAll(async () => {
  stack = await openStack();
  registry = urlOf(await stack.start(["registry", "--port", "0", "--bind", "127.0.0.1"]));
  const flags = ["--registry-url", registry, "--registry-sync-interval", "1", "--health-interval", "1"];
  router = urlOf(await stack.start(["router", "--router-port", "0", "--bind", "127.0.0.1", ...flags]));
  for (const { name } of services) ports.set(name, await freePair());
  await Promise.all(services.map(async (service) => babysitters.set(service.name, await babysit(service.name))));
  await until(async () => expect(await getJson(`${router}/health`)).toMatchObject({ healthy_services: "3/3" }));
}, 60_000);

afterAll(() => stack.close(), 60_000);

test("the models of all services are one list, at both paths", async () => {
  for (const path of ["/models", "/v1/models"]) {
    const { object, data } = (await getJson(`${router}${path}`)) as { object: string; data: { id: string }[] };
    expect(object).toBe("list");
    expect(data.map(({ id }) => id)).toEqual(["a", "b", "c", "shared"]);
  }
});

test("a request goes to the service that has its model", async () => {
  for (const [model, name] of [
    ["a", "one"],
    ["b", "two"],
    ["c", "three"],
  ] as const) {
    expect(await answerOf(model)).toMatchObject({ model, by: String(ports.get(name)) });
  }
});

test("requests for a shared model are spread over those that have it", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => answerOf("shared")));
  const engines = new Set(answers.map(({ by }) => by));
  expect(engines).toEqual(new Set([String(ports.get("one")), String(ports.get("two"))]));
});

test("a model that nobody has is a 503 that names it", async () => {
  const response = await ask(router, "nobody's");
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ error: "No healthy services available for model 'nobody's'" });
});

test("a client that leaves its stream ends it at the engine", async () => {
  const leave = new AbortController();
  const response = await ask(router, "c", leave.signal, true);
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("data: ");
  await until(async () => expect(await seenBy("three")).toMatchObject({ streams: 1 }));
  leave.abort();
  await until(async () => expect(await seenBy("three")).toMatchObject({ streams: 0, left: 1 }));
});

test("the services are told with the fields of the original", async () => {
  const { services: told, total } = (await getJson(`${router}/services`)) as { services: object[]; total: number };
  expect(total).toBe(3);
  const port = ports.get("three") ?? 0;
  expect(told).toContainEqual(
    expect.objectContaining({
      name: "three-server",
      host: "127.0.0.1",
      port,
      url: `http://127.0.0.1:${port}`,
      babysitter_url: `http://127.0.0.1:${port + 1}`,
      healthy: true,
      weight: 1,
      models: ["c"],
      metadata: expect.objectContaining({ type: "openai-api", parent_service: "three", zone: "test" }),
    }),
  );
});

test("a babysitter tells the truth about its engine, and so does the registry", async () => {
  const port = ports.get("one") ?? 0;
  expect(await getJson(`http://127.0.0.1:${port + 1}/health`)).toMatchObject({ infinilm_server_running: true });
  expect(await getJson(`${registry}/services/one-server`)).toMatchObject({ is_healthy: true, status: "running" });
  expect(await getJson(`${registry}/stats`)).toMatchObject({ total_services: 6, healthy_services: 6 });
});

test("an engine that crashes is taken out at once and comes back", async () => {
  const { pid } = (await seenBy("three")) as { pid: number };
  process.kill(pid, "SIGKILL");
  await until(async () => expect(await seenBy("three")).not.toMatchObject({ pid }));
  await until(async () => expect((await ask(router, "c")).status).toBe(200));
  const info = await getJson(`http://127.0.0.1:${(ports.get("three") ?? 0) + 1}/info`);
  expect(info).toMatchObject({ name: "three", restart_count: 1 });
});

test("a mock keeps its entry by heartbeats like any other", async () => {
  const port = await freePair();
  const mock = await stack.babysit({ name: "stand-in", port, registry, models: ["m"], mock: true });
  await until(async () => expect((await ask(router, "m")).status).toBe(200));
  const beat = async (): Promise<unknown> => (await getJson(`${registry}/services/stand-in-server`)).last_heartbeat;
  for (let round = 0; round < 2; round++) {
    const before = await beat();
    await until(async () => expect(await beat()).not.toBe(before));
  }
  await mock.end("SIGTERM");
});

test("what sends no heartbeats is stale, and then forgotten by the registry and the router", async () => {
  const name = "silent";
  const url = `http://127.0.0.1:${ports.get("one")}`;
  const metadata = { type: "openai-api", models: ["silent"] };
  const body = { name, host: "127.0.0.1", port: 8001, hostname: "here", url, status: "running", lease: 1, metadata };
  const headers = { "content-type": "application/json" };
  await fetch(`${registry}/services`, { method: "POST", headers, body: JSON.stringify(body) });
  await until(async () => expect((await ask(router, "silent")).status).toBe(200));
  await until(async () => expect(await getJson(`${registry}/services/${name}`)).toMatchObject({ is_healthy: false }));
  await until(async () => expect((await ask(router, "silent")).status).toBe(503));
  await until(async () => expect((await fetch(`${registry}/services/${name}`)).status).toBe(404));
  await until(async () => {
    const { services: told } = (await getJson(`${router}/services`)) as { services: { name: string }[] };
    expect(told.map((service) => service.name)).not.toContain(name);
  });
});

test("a babysitter that is asked to stop takes its engine and its entries with it", async () => {
  expect(await babysitters.get("two")?.end("SIGTERM")).toBe(0);
  await expect(seenBy("two")).rejects.toThrow();
  const { services: told } = (await getJson(`${registry}/services`)) as { services: { name: string }[] };
  expect(told.map(({ name }) => name).toSorted()).toEqual(["one", "one-server", "three", "three-server"]);
  await until(async () => expect((await ask(router, "b")).status).toBe(503));
  expect((await ask(router, "shared")).status).toBe(200);
  babysitters.set("two", await babysit("two"));
  await until(async () => expect((await ask(router, "b")).status).toBe(200));
});

function babysit(name: string): Promise<Command> {
  const models = services.find((service) => service.name === name)?.models ?? [];
  return stack.babysit({ name, port: ports.get(name) ?? 0, registry, models });
}

async function answerOf(model: string): Promise<{ model: string; by: string }> {
  const response = await ask(router, model);
  expect(response.status).toBe(200);
  return (await response.json()) as { model: string; by: string };
}

function seenBy(name: string): Promise<Record<string, unknown>> {
  return getJson(`http://127.0.0.1:${ports.get(name)}/seen`);
}
