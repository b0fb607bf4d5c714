import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { addressRules } from "plugboard";
import { createChecker } from "plugboard/plugins/fleet/_registry-check";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { service, startRegistry, watch } from "./registry-rig.ts";
import { registration } from "./registry-store-laws.ts";

interface Upstream {
  readonly port: number;
  readonly url: string;
  readonly asked: string[];
}

async function upstream(listener: RequestListener = (_, res) => res.end("ok"), port = 0): Promise<Upstream> {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url ?? "");
    listener(req, res);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port: at } = server.address() as AddressInfo;
  return { port: at, url: `http://127.0.0.1:${at}`, asked };
}

test("a live check asks the service itself, and a pass is a heartbeat", async () => {
  let now = 0;
  const { register, call } = await startRegistry({ now: () => now });
  const { url, asked } = await upstream();
  await register({ url: `${url}/base/` });
  now = 119_000;
  const checked = await call("GET", "/services/a/health");
  expect(checked).toMatchObject({ status: 200, body: { service: "a", health_status: "healthy", is_healthy: true } });
  expect(Object.keys(checked.body)).toEqual(["service", "health_status", "is_healthy", "last_heartbeat", "timestamp"]);
  expect(asked).toEqual(["/base/health"]);
  now = 230_000;
  expect((await call("GET", "/services/a")).body).toMatchObject({ is_healthy: true, health_status: "healthy" });
});

test("of what serves a model its babysitter is asked, one port further", async () => {
  const { register, call } = await startRegistry();
  const babysitter = await upstream();
  await register({ port: babysitter.port - 1, metadata: { type: "openai-api" } });
  expect((await call("GET", "/services/a/health")).body).toMatchObject({ health_status: "healthy" });
  expect(babysitter.asked).toEqual(["/health"]);
});

test.each([
  ["fails", (_, res) => void res.writeHead(500).end()],
  ["redirects", (_, res) => void res.writeHead(302, { location: "http://169.254.169.254/" }).end()],
  ["hangs up", (_, res) => void res.destroy()],
  ["never answers", () => {}],
  ["never ends its answer", (_, res) => res.writeHead(200).flushHeaders()],
] satisfies [string, RequestListener][])("one that %s is unhealthy, and that is no heartbeat", async (_, listener) => {
  let now = 0;
  const { register, call } = await startRegistry({ now: () => now, healthTimeout: 200 });
  const { url } = await upstream(listener);
  await register({ url });
  now = 119_000;
  expect((await call("GET", "/services/a/health")).body).toMatchObject({
    health_status: "unhealthy",
    is_healthy: true,
  });
  now = 121_000;
  expect((await call("GET", "/services/a")).body).toMatchObject({ is_healthy: false });
});

test("an answer without end is read so far and no further", async () => {
  let closed = false;
  const { register, call } = await startRegistry();
  const { url } = await upstream((_, res) => {
    res.on("close", () => (closed = true));
    const more = (error?: Error | null): void => {
      if (!error && !closed) res.write("x".repeat(16_384), more);
    };
    more();
  });
  await register({ url });
  expect((await call("GET", "/services/a/health")).body).toMatchObject({ health_status: "healthy" });
  await eventually(() => expect(closed).toBe(true));
});

test("who asks while a check is under way gets its answer", async () => {
  let release = (): void => {};
  const { register, call } = await startRegistry();
  const { url, asked } = await upstream((_, res) => {
    release = () => res.end("ok");
  });
  await register({ url });
  const checks = Promise.all([1, 2, 3].map(() => call("GET", "/services/a/health")));
  await eventually(() => expect(asked.length).toBe(1));
  await call("GET", "/health");
  release();
  expect((await checks).map(({ body }) => body["health_status"])).toEqual(["healthy", "healthy", "healthy"]);
  expect(asked.length).toBe(1);
});

test("the checks in between say how it is, and decide nothing", async () => {
  const { register, url: registryUrl, call } = await startRegistry({ healthInterval: 20 });
  let status = 200;
  const { url } = await upstream((_, res) => void res.writeHead(status).end());
  const watching = await watch(registryUrl);
  await watching.next();
  await register({ url });
  expect(await watching.next()).toMatchObject({ data: { health_status: "unknown" } });
  expect(await watching.next()).toMatchObject({ data: { health_status: "healthy", is_healthy: true } });
  const { last_heartbeat: before } = (await call("GET", "/services/a")).body;
  status = 503;
  expect(await watching.next()).toMatchObject({ data: { health_status: "unhealthy", is_healthy: true } });
  expect((await call("GET", "/services/a")).body["last_heartbeat"]).toBe(before);
});

test("a name that led to a service and now leads elsewhere is not connected to", async () => {
  const { port, asked } = await upstream();
  let addresses = ["127.0.0.1"];
  const resolve = ((_: string, __: object, callback: (error: null, found: object[]) => void): void =>
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    )) as unknown as NonNullable<Parameters<typeof addressRules>[1]>;
  const checker = createChecker({ rules: addressRules(["127.0.0.1"], resolve), timeout: 2_000 });
  onTestFinished(() => checker.close());
  const found = {
    ...registration("a", { url: `http://flips.example:${port}`, metadata: {} }),
    health: "unknown",
    lastHeartbeat: 0,
    until: 0,
  } as const;
  expect(await checker.check(found)).toBe("healthy");
  // It could still be reached: only the rules keep the check from it.
  addresses = ["127.0.0.1", "169.254.169.254"];
  expect(await checker.check(found)).toBe("unhealthy");
  expect(asked.length).toBe(1);
});

test("a service that was restored from before the rules changed is not connected to", async () => {
  const { url, asked, port } = await upstream();
  const checker = createChecker({ rules: addressRules(["private"]), timeout: 2_000 });
  onTestFinished(() => checker.close());
  const was = { health: "unknown", lastHeartbeat: 0, until: 0 } as const;
  expect(await checker.check({ ...registration("a", { url, metadata: {} }), ...was })).toBe("unhealthy");
  expect(await checker.check({ ...registration("b", { host: "127.0.0.1", port: port - 1 }), ...was })).toBe(
    "unhealthy",
  );
  expect(asked).toEqual([]);
});

test("a port beside one that is allowed is not connected to either", async () => {
  const checker = createChecker({ rules: addressRules(["loopback"]), timeout: 200 });
  onTestFinished(() => checker.close());
  const was = { health: "unknown", lastHeartbeat: 0, until: 0 } as const;
  expect(await checker.check({ ...registration("a", { ...service, port: 24 }), ...was })).toBe("unhealthy");
  expect(await checker.check({ ...registration("a", { ...service, port: 65_535 }), ...was })).toBe("unhealthy");
});
