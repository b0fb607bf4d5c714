import { expect, test } from "vitest";
import type { ProxyConfig } from "plugboard";
import { babysitter, type BackendOptions } from "plugboard/plugins/fleet/babysitter";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { isUp, pidOf, runs, scripted } from "./backend-rig.ts";
import { fine, type ScriptedRegistry, scriptRegistry } from "./registrar-rig.ts";

const config = (url: string, ...backends: BackendOptions[]): ProxyConfig => ({
  plugins: [babysitter({ backends, registry: { url, token: "hush" } })],
});

/** Status of a service as the registry was told last; undefined: it was never told, or the service was taken back. */
function told({ asked }: ScriptedRegistry, name: string): unknown {
  const last = asked.findLast(({ path, body }) => path.startsWith(`/services/${name}`) || body?.["name"] === name);
  return last?.method === "DELETE" ? undefined : last?.body?.["status"];
}

function registered({ asked }: ScriptedRegistry, name: string): Readonly<Record<string, unknown>> | undefined {
  return asked.find(({ method, body }) => method === "POST" && body?.["name"] === name)?.body;
}

test("it registers itself at once, and its server with its models when that is ready", async () => {
  const registry = await scriptRegistry();
  const metadata = { cache_type: "paged", type: "mine" };
  const child = scripted(["--models", "a,b", "--delay", "100"], { type: "vLLM", weight: 3, metadata });
  const proxy = await openProxy(config(registry.url, child));
  await eventually(() => expect(registered(registry, "child")).toBeDefined());
  expect(registered(registry, "child-server")).toBeUndefined();
  await eventually(() => expect(registered(registry, "child-server")).toBeDefined());
  isUp(proxy, "child");
  const port = Number(new URL(proxy.pools()[0]?.snapshot.all[0]?.origin ?? "").port);
  const at = { host: "localhost", hostname: "localhost", status: "running" };
  expect(registered(registry, "child")).toMatchObject({
    ...at,
    port: port + 1,
    url: `http://localhost:${port + 1}`,
    metadata: { type: "vLLM", babysitter: "enhanced" },
  });
  expect(registered(registry, "child-server")).toMatchObject({
    ...at,
    port,
    url: `http://localhost:${port}`,
    weight: 3,
    metadata: {
      type: "mine",
      parent_service: "child",
      babysitter: "enhanced",
      models: ["a", "b"],
      models_list: [
        { id: "a", object: "model", owned_by: "child" },
        { id: "b", object: "model", owned_by: "child" },
      ],
      cache_type: "paged",
    },
  });
});

test("a crash is told at once, and that it serves again", async () => {
  const registry = await scriptRegistry();
  const child = scripted(["--models", "a", "--delay", "100"]);
  const proxy = await openProxy(config(registry.url, child));
  await eventually(() => expect(told(registry, "child-server")).toBe("running"));
  const before = registry.asked.length;
  process.kill(await pidOf(proxy), "SIGKILL");
  await eventually(() => expect(registry.asked.length).toBeGreaterThan(before));
  await eventually(() => expect(told(registry, "child-server")).toBe("running"));
  const statuses = registry.asked.slice(before).flatMap(({ body }) => (body === undefined ? [] : [body["status"]]));
  expect(["stopped", "starting"]).toContain(statuses[0]);
  expect(statuses.at(-1)).toBe("running");
});

test("it deregisters before it stops the process", async () => {
  const registry = await scriptRegistry();
  const proxy = await openProxy(config(registry.url, scripted(["--models", "a"])));
  await eventually(() => expect(told(registry, "child-server")).toBe("running"));
  const pid = await pidOf(proxy);
  let ranThen: boolean | undefined;
  registry.move = (asked) => {
    if (asked.method === "DELETE") ranThen ??= runs(pid);
    return fine(asked);
  };
  await proxy.close();
  expect(ranThen).toBe(true);
  expect(registry.lines.filter((line) => line.startsWith("DELETE")).toSorted()).toEqual([
    "DELETE /services/child",
    "DELETE /services/child-server",
  ]);
});

test("what runs on demand is registered while it runs", async () => {
  const registry = await scriptRegistry();
  const proxy = await openProxy(config(registry.url, scripted(["--models", "a"], { onDemand: { idle: 100 } })));
  await eventually(() => expect(told(registry, "child")).toBe("running"));
  await pidOf(proxy);
  await eventually(() => expect(told(registry, "child-server")).toBe("running"));
  await eventually(() => expect(registry.lines).toContain("DELETE /services/child-server"));
  expect(registry.lines).not.toContain("DELETE /services/child");
});

test("a reload with the same options says nothing new, with another registry moves there", async () => {
  const [one, two] = [await scriptRegistry(), await scriptRegistry()];
  const child = scripted(["--models", "a"]);
  const proxy = await openProxy(config(one.url, child));
  await eventually(() => expect(told(one, "child-server")).toBe("running"));
  const pid = await pidOf(proxy);
  const before = one.asked.length;
  await proxy.reload(config(one.url, child));
  await proxy.reload(config(two.url, child));
  await eventually(() => expect(told(two, "child-server")).toBe("running"));
  await eventually(() => expect(one.lines).toContain("DELETE /services/child-server"));
  expect(one.lines.slice(before).every((line) => line.startsWith("DELETE"))).toBe(true);
  expect(await pidOf(proxy)).toBe(pid);
});

test("a changed command keeps its names in the registry", async () => {
  const registry = await scriptRegistry();
  const proxy = await openProxy(config(registry.url, scripted(["--models", "a"])));
  await eventually(() => expect(told(registry, "child-server")).toBe("running"));
  await proxy.reload(config(registry.url, scripted(["--models", "b"])));
  await eventually(() => isUp(proxy, "child"));
  await eventually(() => expect(told(registry, "child-server")).toBe("running"));
  expect(registry.lines).not.toContain("DELETE /services/child");
  expect(registry.asked.findLast(({ body }) => body?.["name"] === "child-server")?.body).toMatchObject({
    metadata: { models: ["b"] },
  });
});

test("the token is in no line of the log", async () => {
  const registry = await scriptRegistry(() => 401);
  const proxy = await openProxy(config(registry.url, scripted(["--models", "a"])));
  await eventually(() => expect(proxy.lines.join("\n")).toMatch(/error: .*child-server/u));
  expect(proxy.lines.join("\n")).not.toContain("hush");
});
