import { createServer } from "node:net";
import { type Condition, createProxy, type ListenerConfig, type Plugin, type ProxyConfig } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { problemsOf } from "../config/config-error-of.ts";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { type OpenProxy, openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

interface Switch {
  readonly plugin: Plugin;
  turn(on: boolean): void;
}

/** A condition that a test turns. */
function createSwitch(on = true): Switch {
  const listeners = new Set<() => void>();
  let holds = on;
  const condition: Condition = {
    holds: () => holds,
    why: () => "it is switched off",
    onChange: (changed) => void listeners.add(changed),
  };
  return {
    plugin: quickPlugin("switch", (proxy) => proxy.provide("condition", "switch", condition)),
    turn(next) {
      holds = next;
      for (const changed of listeners) changed();
    },
  };
}

const statusOf = (proxy: OpenProxy, name: string) => proxy.listeners().find((listener) => listener.name === name);
const urlOf = (proxy: OpenProxy, name: string): string => statusOf(proxy, name)?.url ?? "";

async function listening(config: ProxyConfig): Promise<OpenProxy> {
  const proxy = await openProxy(config);
  await proxy.listen();
  return proxy;
}

const isState = (proxy: OpenProxy, state: string, name = "extra"): Promise<void> =>
  eventually(() => expect(statusOf(proxy, name)?.state).toBe(state));

const textAt = async (url: string): Promise<string> => (await fetch(url)).text();

/** A port that somebody else holds until the test lets go of it. */
async function busyPort(): Promise<{ readonly port: number; free(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const free = (): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));
  onTestFinished(() => void server.close());
  return { port: (server.address() as { port: number }).port, free };
}

describe("further listeners", () => {
  test("open with the proxy's own port, and serve what that serves", async () => {
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port: 0 } } });
    expect(proxy.listeners()).toEqual([
      { name: "main", host: "127.0.0.1", port: expect.any(Number), url: expect.any(String), state: "open" },
      { name: "extra", host: "127.0.0.1", port: expect.any(Number), url: expect.any(String), state: "open" },
    ]);
    expect(proxy.status().listeners).toEqual(proxy.listeners());
    expect(await textAt(urlOf(proxy, "extra"))).toBe("mem://a");
    const { url } = await proxy.listen();
    expect(await textAt(url)).toBe("mem://a");
    expect(proxy.listeners().map(({ name }) => name)).toEqual(["main", "main", "extra"]);
  });

  test("close with the proxy", async () => {
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port: 0 } } });
    const url = urlOf(proxy, "extra");
    await proxy.close();
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });

  test("have plugins of their own, which see nothing of the others", async () => {
    const seen: string[] = [];
    const proxy = await listening({
      plugins: [memUpstream()],
      listeners: {
        extra: { port: 0, plugins: [hooks({ request: (x) => void seen.push(x.path) })] },
        bare: { port: 0 },
      },
    });
    await textAt(`${urlOf(proxy, "main")}/main`);
    await textAt(`${urlOf(proxy, "bare")}/bare`);
    expect(await textAt(`${urlOf(proxy, "extra")}/extra`)).toBe("mem://a");
    expect(seen).toEqual(["/extra"]);
  });

  test("have mounts of their own", async () => {
    const proxy = await listening({
      plugins: [memUpstream()],
      mounts: [{ path: "/v1" }],
      listeners: { compat: { port: 0, mounts: [{ path: "/" }] } },
    });
    expect((await fetch(`${urlOf(proxy, "main")}/anything`)).status).toBe(404);
    expect((await fetch(`${urlOf(proxy, "compat")}/anything`)).status).toBe(200);
  });

  test("answer no control route where they name none", async () => {
    const page = quickPlugin("page", (proxy) => proxy.route("GET", "/page", () => "page"));
    const proxy = await listening({
      plugins: [memUpstream(), page],
      listeners: { bare: { port: 0, control: [] }, data: { port: 0, control: [], mounts: [{ path: "/" }] } },
    });
    expect(await textAt(`${urlOf(proxy, "main")}/page`)).toBe("page");
    expect((await fetch(`${urlOf(proxy, "bare")}/page`)).status).toBe(404);
    expect(await textAt(`${urlOf(proxy, "data")}/page`)).toBe("mem://a");
  });

  test("are explained apart", async () => {
    const proxy = await openProxy({
      plugins: [memUpstream()],
      listeners: { compat: { port: 0, mounts: [{ path: "/a" }] } },
    });
    expect((await proxy.explain({ path: "/b" })).route?.name).toBe("default");
    expect((await proxy.explain({ path: "/b", listener: "compat" })).reply?.status).toBe(404);
    expect((await proxy.explain({ path: "/a", listener: "compat" })).route?.name).toBe("compat /a");
    await expect(proxy.explain({ listener: "none" })).rejects.toThrow('The config has no listener "none"');
  });

  test("that cannot have their port stop the start, and nothing stays open", async () => {
    const { port } = await busyPort();
    const proxy = await openProxy({ plugins: [memUpstream()], listeners: { first: { port: 0 }, extra: { port } } });
    await expect(proxy.listen()).rejects.toThrow(`listener extra: port ${port} is in use`);
    expect(proxy.listeners()).toEqual([]);
  });

  test("come and go with a reload; those that stay keep their connections", async () => {
    const config = (listeners: Record<string, ListenerConfig>): ProxyConfig => ({
      plugins: [memUpstream()],
      listeners,
    });
    const proxy = await listening(config({ kept: { port: 0 }, gone: { port: 0 } }));
    const [kept, gone] = [urlOf(proxy, "kept"), urlOf(proxy, "gone")];
    await proxy.reload(config({ kept: { port: 0 }, come: { port: 0 } }));
    await isState(proxy, "open", "come");
    expect(await textAt(urlOf(proxy, "come"))).toBe("mem://a");
    expect(urlOf(proxy, "kept")).toBe(kept);
    expect(await textAt(kept)).toBe("mem://a");
    expect(statusOf(proxy, "gone")).toBeUndefined();
    await eventually(() => expect(proxy.lines.join("\n")).toContain("listener gone: closes"));
    await expect(fetch(gone)).rejects.toThrow("fetch failed");
  });

  test("whose port is busy after a reload are waited for, and the new config counts all the same", async () => {
    const { port, free } = await busyPort();
    const proxy = await listening({ plugins: [memUpstream()] });
    await proxy.reload({ plugins: [memUpstream(sayOk, [{ url: "mem://b" }])], listeners: { extra: { port } } });
    await isState(proxy, "waiting");
    expect(statusOf(proxy, "extra")?.reason).toBe(`port ${port} is in use`);
    expect(await textAt(urlOf(proxy, "main"))).toBe("mem://b");
    await free();
    await isState(proxy, "open");
  });
});

describe("a listener with a condition", () => {
  test("is open while it holds, any number of times", async () => {
    const { plugin, turn } = createSwitch(false);
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port: 0, when: plugin } } });
    expect(statusOf(proxy, "extra")).toMatchObject({ state: "closed", url: undefined, reason: "it is switched off" });
    for (let round = 0; round < 4; round++) {
      turn(true);
      await isState(proxy, "open");
      const url = urlOf(proxy, "extra");
      expect(await textAt(url)).toBe("mem://a");
      turn(false);
      await eventually(() => expect(statusOf(proxy, "extra")?.state).toMatch(/closed|draining/));
      await expect(fetch(url)).rejects.toThrow("fetch failed");
    }
    expect(proxy.lines.filter((line) => line.includes("is open"))).toHaveLength(4);
  });

  test("may name one that a plugin of the config provides", async () => {
    const { plugin, turn } = createSwitch();
    const proxy = await listening({
      plugins: [memUpstream(), plugin],
      listeners: { extra: { port: 0, when: "switch" } },
    });
    await isState(proxy, "open");
    turn(false);
    await isState(proxy, "closed");
  });

  test("is looked at by the clock where the condition does not tell of changes", async () => {
    let holds = true;
    const silent = quickPlugin("silent", (proxy) => proxy.provide("condition", "silent", { holds: () => holds }));
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port: 0, when: silent } } });
    await isState(proxy, "open");
    holds = false;
    await isState(proxy, "closed");
    expect(statusOf(proxy, "extra")?.reason).toBe("its condition does not hold");
  });

  test("whose condition throws is closed, and says so", async () => {
    const broken = quickPlugin("broken", (proxy) =>
      proxy.provide("condition", "broken", {
        holds: () => {
          throw new Error("no idea");
        },
      }),
    );
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port: 0, when: broken } } });
    expect(statusOf(proxy, "extra")).toMatchObject({ state: "closed", reason: "its condition failed: no idea" });
  });

  test("lets what is under way end when it closes, and may open again meanwhile", async () => {
    const { plugin, turn } = createSwitch();
    const calls: MemCall[] = [];
    const slow = memUpstream((call) => {
      calls.push(call);
      call.sink.connected();
      call.sink.head(200, { "content-type": "text/plain" });
      call.sink.data(Buffer.from("begun "));
    });
    const proxy = await listening({ plugins: [slow], listeners: { extra: { port: 0, when: plugin } } });
    await isState(proxy, "open");
    const old = urlOf(proxy, "extra");
    const response = await fetch(old);
    turn(false);
    await isState(proxy, "draining");
    turn(true);
    await isState(proxy, "open");
    expect((await fetch(urlOf(proxy, "extra"))).status).toBe(200);
    calls[0]?.sink.data(Buffer.from("and ended"));
    calls[0]?.sink.end();
    expect(await response.text()).toBe("begun and ended");
    await expect(fetch(old)).rejects.toThrow("fetch failed");
  });

  test("cuts what does not end in time", async () => {
    const { plugin, turn } = createSwitch();
    const endless = memUpstream(({ sink }) => {
      sink.connected();
      sink.head(200, {});
      sink.data(Buffer.from("begun"));
    });
    const proxy = await listening({
      plugins: [endless],
      limits: { drain: 50 },
      listeners: { extra: { port: 0, when: plugin } },
    });
    await isState(proxy, "open");
    const response = await fetch(urlOf(proxy, "extra"));
    const main = await fetch(urlOf(proxy, "main"));
    turn(false);
    await expect(response.text()).rejects.toThrow("terminated");
    await isState(proxy, "closed");
    expect(proxy.status().active).toBe(1);
    await main.body?.cancel();
  });

  test("that finds its port busy warns once, and has it when it is free", async () => {
    const { port, free } = await busyPort();
    const { plugin } = createSwitch();
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port, when: plugin } } });
    expect(statusOf(proxy, "extra")).toMatchObject({ state: "waiting", port, reason: `port ${port} is in use` });
    expect(await textAt(urlOf(proxy, "main"))).toBe("mem://a");
    await free();
    await isState(proxy, "open");
    expect(await textAt(`http://127.0.0.1:${port}`)).toBe("mem://a");
    expect(proxy.lines.filter((line) => line.includes("in use"))).toEqual([
      `warn: listener extra: port ${port} is in use; it is tried again`,
    ]);
  });

  test("that waits for its port stops to when the condition no longer holds", async () => {
    const { port, free } = await busyPort();
    const { plugin, turn } = createSwitch();
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port, when: plugin } } });
    turn(false);
    await isState(proxy, "closed");
    await free();
    await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow("fetch failed");
  });

  test("is held to the condition of the config that runs", async () => {
    const [before, after] = [createSwitch(true), createSwitch(false)];
    const config = ({ plugin }: Switch): ProxyConfig => ({
      plugins: [memUpstream()],
      listeners: { extra: { port: 0, when: plugin } },
    });
    const proxy = await listening(config(before));
    await isState(proxy, "open");
    await proxy.reload(config(after));
    await isState(proxy, "closed");
    before.turn(true);
    expect(statusOf(proxy, "extra")?.state).toBe("closed");
    after.turn(true);
    await isState(proxy, "open");
  });

  test("does not keep a closing proxy waiting, nor opens behind it", async () => {
    const { plugin, turn } = createSwitch();
    const proxy = await listening({ plugins: [memUpstream()], listeners: { extra: { port: 0, when: plugin } } });
    await isState(proxy, "open");
    const url = urlOf(proxy, "extra");
    turn(false);
    turn(true);
    await proxy.close();
    turn(false);
    turn(true);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
    expect(proxy.listeners().filter(({ state }) => state === "open" && url === urlOf(proxy, "extra"))).toEqual([]);
  });
});

describe("a config with listeners is refused", () => {
  const mistakes: [string, Record<string, unknown>, string, string][] = [
    ["without a port", { a: {} }, "listeners.a.port", "Expected"],
    ["with a wrong port", { a: { port: 70_000 } }, "listeners.a.port", "Expected 0 to 65535"],
    [
      "with the port of another",
      { a: { port: 9_001 }, b: { port: 9_001 } },
      "listeners.b.port",
      "is that of listeners.a.port already",
    ],
    ["with the proxy's port", { a: { port: 9_000 } }, "listeners.a.port", "is that of port already"],
    ["named main", { main: { port: 0 } }, "listeners.main", "main is the listener of the config's own port"],
    ["with a name of spaces", { "a b": { port: 0 } }, "listeners.a b", "Expected a name"],
    ["with a wrong condition", { a: { port: 0, when: 5 } }, "listeners.a.when", "Expected a condition"],
    ["with wrong tls", { a: { port: 0, tls: "yes" } }, "listeners.a.tls", 'Expected "self-signed"'],
    ["with a misspelt option", { a: { port: 0, whne: "x" } }, "listeners.a.whne", "unknown option"],
    [
      "with control routes of nobody",
      { a: { port: 0, control: ["stast"] } },
      "listeners.a.control.0",
      "answers a path of its own",
    ],
  ];

  test.each(mistakes)("%s", async (_, listeners, path, message) => {
    const control = quickPlugin("stats", (proxy) => proxy.route("GET", "/stats", () => "stats"));
    const config = { port: 9_000, plugins: [control], listeners } as ProxyConfig;
    const problems = await problemsOf(createProxy(config));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ path, message: expect.stringContaining(message) });
  });

  test("for a condition that nobody provides, or a plugin that is none", async () => {
    const { plugin } = createSwitch();
    const named = { plugins: [plugin], listeners: { a: { port: 0, when: "swicth" } } };
    expect(await problemsOf(createProxy(named))).toMatchObject([
      { plugin: "listeners.a.when", fix: 'did you mean "switch"?' },
    ]);
    const given = { plugins: [], listeners: { a: { port: 0, when: hooks({}, "other") } } };
    expect(await problemsOf(createProxy(given))).toMatchObject([
      { plugin: "listeners.a.when", message: "was given plugin other, which provides no condition" },
    ]);
  });
});
