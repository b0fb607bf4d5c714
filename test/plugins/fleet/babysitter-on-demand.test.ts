import { expect, test } from "vitest";
import { isProxyError, type Proxy } from "plugboard";
import { babysitter, type BackendOptions } from "plugboard/plugins/fleet/babysitter";
import { model } from "plugboard/plugins/resolve/model";
import { type OpenProxy, openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { isUp, pidOf, runs, scripted } from "./backend-rig.ts";

const open = (...backends: BackendOptions[]): Promise<OpenProxy> =>
  openProxy({ plugins: [babysitter({ backends }), model()] });

const ask = (proxy: Proxy, init?: RequestInit): Promise<Response> =>
  proxy.fetch(new Request("http://proxy/chat", init));

const askFor = (name: string, init?: RequestInit): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ model: name }),
  ...init,
});

test("the first request starts it and is answered by it, as are those that come meanwhile", async () => {
  const proxy = await open(scripted(["--delay", "100"], { onDemand: true }));
  expect(proxy.pools()[0]?.verdicts("child")[0]?.reason).toBe("stopped: not started yet");
  const answers = await Promise.all([ask(proxy), ask(proxy), ask(proxy)]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(proxy.lines.filter((line) => line.includes("child is started"))).toHaveLength(1);
});

test("a request for another model starts nothing", async () => {
  const proxy = await open(
    scripted(["--models", "small"], { name: "small", models: ["small"] }),
    scripted(["--models", "big"], { name: "big", models: ["big"], onDemand: true }),
  );
  await eventually(() => isUp(proxy, "small"));
  expect((await ask(proxy, askFor("small"))).status).toBe(200);
  expect((await ask(proxy, askFor("none"))).status).toBe(404);
  expect(proxy.lines.join("\n")).not.toContain("big is started");
  expect((await ask(proxy, askFor("big"))).status).toBe(200);
});

test("it is stopped when no request came for a while, and started again by the next", async () => {
  const proxy = await open(scripted([], { onDemand: { idle: 100 } }));
  const pid = await pidOf(proxy);
  await eventually(() => expect(proxy.lines.join("\n")).toContain("child is stopped"));
  expect(runs(pid)).toBe(false);
  expect(await pidOf(proxy)).not.toBe(pid);
});

test("a request under way keeps it from being stopped", async () => {
  const proxy = await open(scripted([], { onDemand: { idle: 50 } }));
  const slow = await proxy.fetch(new Request("http://proxy/slow?ms=700"));
  expect([slow.status, await slow.text()]).toEqual([200, "slow"]);
  await eventually(() => expect(proxy.lines.join("\n")).toContain("child is stopped"));
});

test("no more requests wait than the queue holds", async () => {
  const proxy = await open(scripted(["--delay", "300"], { onDemand: { queue: 1 } }));
  const first = ask(proxy);
  const second = await ask(proxy);
  expect([second.status, second.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await second.text()).toContain("overloaded");
  expect((await first).status).toBe(200);
});

test("a request waits so long and no longer", async () => {
  const proxy = await open(scripted(["--never-listen"], { onDemand: { wait: 100 } }));
  const answer = await ask(proxy);
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain("no_targets");
});

test("a client that leaves makes room in the queue", async () => {
  const proxy = await open(scripted(["--delay", "400"], { onDemand: { queue: 1 } }));
  const leave = new AbortController();
  const left = ask(proxy, { signal: leave.signal }).catch(() => undefined);
  await eventually(() => expect(proxy.lines.join("\n")).toContain("child is started"));
  leave.abort();
  await left;
  // The client knows that it left before the proxy does.
  await eventually(() => expect(proxy.status().active).toBe(0));
  expect((await ask(proxy)).status).toBe(200);
});

test("requests do not wait for one that is given up", async () => {
  const proxy = await open(scripted(["--exit", "1"], { onDemand: true, restart: { max: 1, delay: 1 } }));
  expect((await ask(proxy)).status).toBe(503);
  expect((await ask(proxy)).status).toBe(503);
  expect(proxy.lines.filter((line) => line.includes("child is started"))).toHaveLength(2);
});

test("a reload leaves one alone that runs, and one that does not run stopped", async () => {
  const backends = [
    scripted([], { onDemand: true }),
    scripted([], { name: "other", onDemand: true, models: ["other"] }),
  ];
  const proxy = await open(...backends);
  const pid = await pidOf(proxy);
  await proxy.reload({ plugins: [babysitter({ backends }), model()] });
  expect(await pidOf(proxy)).toBe(pid);
  expect(proxy.lines.join("\n")).not.toContain("other is started");
});

test("a request that waits while the proxy closes is told so", async () => {
  const proxy = await open(scripted(["--never-listen"], { onDemand: true }));
  const waiting = ask(proxy).then(
    ({ status }) => status,
    (error: unknown) => isProxyError(error),
  );
  await eventually(() => expect(proxy.lines.join("\n")).toContain("child is started"));
  await proxy.close({ deadline: 0 });
  expect(await waiting).not.toBe(200);
});

test("explain tells that a request would wait, and starts nothing", async () => {
  const proxy = await open(scripted([], { onDemand: true }));
  const { steps } = await proxy.explain({ path: "/chat" });
  expect(steps).toContainEqual({ phase: "admit", note: "waits until child is started" });
  expect(proxy.lines.join("\n")).not.toContain("child is started");
});

test("where no backend runs on demand, no hook is registered", async () => {
  const proxy = await openProxy({ plugins: [babysitter({ backends: [scripted()] })] });
  expect((await proxy.explain()).hooks).toEqual({});
});
