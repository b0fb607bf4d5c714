import { once } from "node:events";
import { connect } from "node:net";
import { registry } from "plugboard/plugins/fleet/registry";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { startRegistry, watch } from "./registry-rig.ts";

test("a watcher is told all there is, and then each change", async () => {
  const { register, call, url } = await startRegistry();
  await register();
  const list = await call("GET", "/services");
  const epoch = list.headers.get("x-registry-epoch") ?? "";
  const watching = await watch(url);
  expect(watching.status).toBe(200);
  expect(watching.headers.get("content-type")).toBe("text/event-stream");
  const sync = await watching.next();
  const { version } = sync.data as { version: number };
  expect(sync).toEqual({
    event: "sync",
    id: `${epoch}-${version}`,
    data: { epoch, version, services: list.body["services"] },
  });
  expect(list.headers.get("etag")).toBe(`W/"${epoch}-${version}"`);

  await register({ name: "b" });
  const added = await watching.next();
  expect(added).toEqual({
    event: "upsert",
    id: `${epoch}-${version + 1}`,
    data: (await call("GET", "/services/b")).body,
  });
  await call("POST", "/services/b/heartbeat");
  await call("POST", "/services/b/heartbeat", { status: "loading" });
  expect(await watching.next()).toMatchObject({ event: "upsert", data: { name: "b", is_healthy: false } });
  await call("PUT", "/services/a", { weight: 3 });
  expect(await watching.next()).toMatchObject({ event: "upsert", data: { name: "a", weight: 3 } });
  await call("DELETE", "/services/b");
  expect(await watching.next()).toEqual({
    event: "remove",
    id: `${epoch}-${version + 4}`,
    data: { name: "b", reason: "deregistered" },
  });
});

test("a watcher is told when a lease lapses, not when somebody looks", async () => {
  const { register, url } = await startRegistry();
  const watching = await watch(url);
  await watching.next();
  await register({ lease: 1 });
  expect(await watching.next()).toMatchObject({ event: "upsert", data: { is_healthy: true } });
  expect(await watching.next()).toMatchObject({ event: "upsert", data: { name: "a", is_healthy: false } });
  expect(await watching.next()).toMatchObject({ event: "remove", data: { name: "a", reason: "expired" } });
});

test("a watcher that leaves is forgotten, and no more than the limit may come", async () => {
  const { url, call } = await startRegistry({ limits: { watchers: 2 } });
  const first = await watch(url);
  await watch(url);
  const third = await call("GET", "/services?watch=true");
  expect(third).toMatchObject({ status: 503, body: { error: expect.stringContaining("No more than 2 clients") } });
  expect(third.headers.get("retry-after")).toBe("1");
  first.leave();
  await eventually(async () => expect((await call("GET", "/stats")).body).toMatchObject({ watchers: 1 }));
  await watch(url);
});

test("a watcher without a socket is served, and forgotten when it leaves", async () => {
  const { proxy, register, call } = await startRegistry();
  const watching = await watch("http://proxy", (input, init) => proxy.fetch(new Request(input, init)));
  expect(await watching.next()).toMatchObject({ event: "sync" });
  await register();
  expect(await watching.next()).toMatchObject({ event: "upsert" });
  watching.leave();
  await eventually(async () => expect((await call("GET", "/stats")).body).toMatchObject({ watchers: 0 }));
});

test("a reload keeps all that is registered, and ends who watches so that they come again", async () => {
  const { register, proxy, call, config, url } = await startRegistry();
  await register({ lease_id: "first-owner" });
  const before = (await call("GET", "/services")).headers.get("etag");
  const watching = await watch(url);
  await watching.next();
  await proxy.reload(config);
  await watching.ended();
  expect((await call("GET", "/services")).headers.get("etag")).toBe(before);
  const again = await watch(url);
  expect(await again.next()).toMatchObject({ data: { services: [{ name: "a" }] } });
  expect((await register({ lease_id: "second-owner", port: 8002 })).status).toBe(409);
  await call("DELETE", "/services/a", undefined, { "x-lease-id": "first-owner" });
  expect(await again.next()).toMatchObject({ event: "remove" });
});

test("a reload that changes what may be registered holds from then on", async () => {
  const { register, proxy } = await startRegistry();
  await register({ name: "a", host: "10.0.0.1" });
  await proxy.reload({ plugins: [registry({ allow: ["loopback"], token: "0123456789abcdef" })] });
  expect((await register({ name: "b" })).status).toBe(401);
  const token = { authorization: "Bearer 0123456789abcdef" };
  expect((await register({ name: "b", host: "10.0.0.1" }, token)).status).toBe(422);
  expect((await register({ name: "b" }, token)).status).toBe(201);
});

test("who watches does not hold up the end of the proxy", async () => {
  const { proxy, url } = await startRegistry();
  const watching = await watch(url);
  await watching.next();
  const closed = proxy.close({ deadline: 10_000 });
  await watching.ended();
  await closed;
});

test("a registry that was taken out of the config ends who watches", async () => {
  const { proxy, url } = await startRegistry();
  const watching = await watch(url);
  await watching.next();
  await proxy.reload({ plugins: [] });
  await watching.ended();
});

test("a watcher that does not read is cut off, and the others are not held up", async () => {
  const { register, url, call } = await startRegistry({ limits: { writes: 100_000 } });
  const { port, hostname } = new URL(url);
  const stuck = connect(Number(port), hostname);
  onTestFinished(() => void stuck.destroy());
  await once(stuck, "connect");
  stuck.write("GET /services?watch=true HTTP/1.1\r\nhost: localhost\r\n\r\n");
  stuck.pause();
  await eventually(async () => expect((await call("GET", "/stats")).body).toMatchObject({ watchers: 1 }));
  const watching = await watch(url);
  await watching.next();
  const metadata = { text: "x".repeat(60_000) };
  let watchers = 2;
  for (let sent = 0; sent < 1_000 && watchers === 2; sent++) {
    await register({ metadata, weight: sent });
    expect(await watching.next()).toMatchObject({ data: { weight: sent } });
    watchers = (await call("GET", "/stats")).body["watchers"] as number;
  }
  expect(watchers).toBe(1);
});
