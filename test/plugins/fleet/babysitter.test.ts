import { describe, expect, test } from "vitest";
import { createProxy, definePlugin, type ProxyConfig } from "plugboard";
import { babysitter, type BabysitterOptions, type BackendOptions } from "plugboard/plugins/fleet/babysitter";
import { testDiscovery, testPlugin } from "plugboard/testing";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { isUp, pidOf, runs, scripted } from "./backend-rig.ts";

const idle: BackendOptions = {
  name: "idle",
  command: ["true"],
  port: 18_099,
  models: ["m"],
  weight: 2,
  onDemand: true,
};

testDiscovery({
  test,
  create: () => babysitter({ backends: [{ ...idle, metadata: { zone: "a" } }] }),
  expected: [{ id: "idle", url: "http://localhost:18099", models: ["m"], weight: 2, meta: { zone: "a" } }],
});

describe("in a pool of its own", () => {
  const create = () => babysitter({ backends: [{ ...idle, host: "0.0.0.0" }], pool: "local" });
  testDiscovery({ test, create, expected: [{ id: "idle", url: "http://127.0.0.1:18099" }], pool: "local" });
});

const bad = (backend: object, says: string | RegExp) => ({ options: { backends: [{ ...idle, ...backend }] }, says });

testPlugin({
  test,
  create: () => babysitter({ backends: [scripted()] }),
  badOptions: [
    { options: {}, says: "Expected backends or toml: there is nothing to run" },
    { options: { backends: [{ name: "a" }] }, says: "backends.0.command: " },
    bad({ name: "a b" }, "backends.0.name: Expected 1 to 120 letters"),
    bad({ command: [] }, "backends.0.command.0: "),
    bad({ command: "vllm serve" }, "backends.0.command: "),
    bad({ command: ["a", "b\0"] }, "backends.0.command.1: Expected text without NUL"),
    bad({ env: { "A=B": "c" } }, "backends.0.env.A=B: Expected the name of a variable"),
    bad({ host: "http://a" }, "backends.0.host: Expected a host name"),
    bad({ port: 65_536 }, "backends.0.port: Expected a port of 0 to 65535"),
    bad({ port: 65_535 }, "Port 65535 has none after it"),
    bad({ port: 8_000, control: 8_000 }, "control must be another port than port"),
    bad({ ready: { checks: 1 } }, "backends.0.ready.checks: "),
    bad({ restart: { jitter: 2 } }, "backends.0.restart.jitter: Expected 0 to 1"),
    bad({ onDemand: "yes" }, "backends.0.onDemand: Expected true, false or { idle, queue, wait }"),
    { options: { backends: [idle], pool: false }, says: "A backend on demand needs a pool" },
    { options: { backends: [idle, { ...idle, port: 1 }] }, says: "backends.1.name: The name is taken by backends.0" },
    {
      options: { backends: [idle, { ...idle, name: "b", port: 18_100 }] },
      says: "backends.1.port: Port 18100 is backends.0.control already",
    },
    { options: { backends: [idle], registry: { url: "127.0.0.1:1" } }, says: "registry.url: " },
    { options: { backends: [idle], output: "file" }, says: 'output: Expected "log" or "none"' },
  ],
});

const refusing = definePlugin({
  name: "refusing",
  setup: (proxy) => proxy.onReady(() => Promise.reject(new Error("no"))),
});

const config = (...backends: BackendOptions[]): ProxyConfig => ({ plugins: [babysitter({ backends })] });

test("requests go to a backend once it is ready, and it is gone when the proxy is closed", async () => {
  const proxy = await openProxy(config(scripted(["--models", "a,b"])));
  const early = await proxy.fetch(new Request("http://proxy/self"));
  expect(early.status).toBe(503);
  await eventually(() => isUp(proxy, "child"));
  expect(proxy.pools()[0]?.snapshot.all[0]?.models).toEqual(["a", "b"]);
  const pid = await pidOf(proxy);
  expect(runs(pid)).toBe(true);
  await proxy.close();
  expect(runs(pid)).toBe(false);
});

test("why a backend takes no requests is told of its target", async () => {
  const proxy = await openProxy(config(scripted(["--exit", "3"], { restart: { delay: 60_000, jitter: 0 } })));
  await eventually(() => {
    expect(proxy.pools()[0]?.verdicts("child")).toEqual([
      {
        reporter: "babysitter",
        reason: "waiting: exited with code 3; next start in 60.0 s",
        since: expect.any(Number),
        until: Infinity,
      },
    ]);
  });
});

test("two backends run side by side, and one that dies leaves the other to serve", async () => {
  const proxy = await openProxy(
    config(scripted(["--models", "a"], { name: "a" }), scripted(["--models", "b"], { name: "b" })),
  );
  await eventually(() => [isUp(proxy, "a"), isUp(proxy, "b")]);
  const pid = await pidOf(proxy);
  process.kill(pid, "SIGKILL");
  await eventually(() => expect(proxy.pools()[0]?.snapshot.available).toHaveLength(1));
  expect(await pidOf(proxy)).not.toBe(pid);
});

describe("a reload of the config", () => {
  test("leaves a process alone whose options are the same", async () => {
    const proxy = await openProxy(config(scripted()));
    await eventually(() => isUp(proxy, "child"));
    const pid = await pidOf(proxy);
    await proxy.reload(config(scripted()));
    isUp(proxy, "child");
    expect(await pidOf(proxy)).toBe(pid);
  });

  test("leaves it alone too when only what is told of it changes", async () => {
    const proxy = await openProxy(config(scripted()));
    await eventually(() => isUp(proxy, "child"));
    const pid = await pidOf(proxy);
    await proxy.reload(config(scripted([], { weight: 3, metadata: { zone: "a" }, restart: { max: 1 } })));
    expect(proxy.pools()[0]?.snapshot.available[0]).toMatchObject({ weight: 3, meta: { zone: "a" } });
    expect(await pidOf(proxy)).toBe(pid);
  });

  test("starts it anew on the same port when its command changes", async () => {
    const proxy = await openProxy(config(scripted(["--models", "old"])));
    await eventually(() => isUp(proxy, "child"));
    const pid = await pidOf(proxy);
    const { port } = new URL(proxy.pools()[0]?.snapshot.all[0]?.origin ?? "");
    await proxy.reload(config(scripted(["--models", "new"], { port: Number(port) })));
    await eventually(() => isUp(proxy, "child"));
    expect(proxy.pools()[0]?.snapshot.all[0]).toMatchObject({ models: ["new"], origin: `http://localhost:${port}` });
    expect(runs(pid)).toBe(false);
    expect(proxy.lines.join("\n")).not.toContain("is taken by");
  });

  test("stops those that are no longer in it", async () => {
    const proxy = await openProxy(config(scripted(), scripted([], { name: "other" })));
    await eventually(() => [isUp(proxy, "child"), isUp(proxy, "other")]);
    await proxy.reload(config(scripted()));
    await eventually(() => expect(proxy.lines.join("\n")).toContain("other is stopped"));
    isUp(proxy, "child");
    expect(proxy.lines.join("\n")).not.toContain("child is stopped");
  });

  test("that is refused stops nothing, and brings back what it had stopped", async () => {
    const refuse = { plugins: [babysitter({ backends: [scripted(["--models", "x"])] }), refusing()] };
    const proxy = await openProxy(config(scripted(["--models", "a"])));
    await eventually(() => isUp(proxy, "child"));
    await expect(proxy.reload(refuse)).rejects.toThrow("no");
    await eventually(() => isUp(proxy, "child"));
    expect(proxy.pools()[0]?.snapshot.all[0]?.models).toEqual(["a"]);
  });
});

test("output goes to the log by name, unless it is not wanted", async () => {
  const options = (output: BabysitterOptions["output"]): ProxyConfig => ({
    plugins: [babysitter({ backends: [scripted(["--say", "hello\\n"])], output })],
  });
  const [loud, quiet] = [await openProxy(options("log")), await openProxy(options("none"))];
  await eventually(() => [isUp(loud, "child"), isUp(quiet, "child")]);
  await eventually(() => expect(loud.lines).toContain("info: child: hello"));
  expect(quiet.lines.join("\n")).not.toContain("hello");
});

test("without a pool it runs backends for others", async () => {
  const proxy = await openProxy({ plugins: [babysitter({ backends: [scripted()], pool: false })] });
  await eventually(() => expect(proxy.lines.join("\n")).toContain("child is ready"));
  expect(proxy.pools().flatMap(({ snapshot }) => snapshot.all)).toEqual([]);
});

test("checking a config starts nothing", async () => {
  const proxy = await createProxy(config(scripted()), { mode: "check" });
  expect(proxy.pools()[0]?.snapshot.available.map(({ id }) => id)).toEqual(["child"]);
  await proxy.close();
});
