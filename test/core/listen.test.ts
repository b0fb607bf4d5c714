import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createProxy, type Proxy } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { memUpstream } from "./mem-upstream.ts";
import { openProxy } from "./open-proxy.ts";

const mem = memUpstream();
const textAt = async (url: string): Promise<string> => (await fetch(url)).text();

describe("listen", () => {
  test("takes any free port on the loopback by itself", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    const { url, port } = await proxy.listen();
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(port).toBeGreaterThan(0);
    expect(await textAt(url)).toBe("mem://a");
  });

  test("twice is two ports of one proxy", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    const one = await proxy.listen();
    const two = await proxy.listen();
    expect(one.port).not.toBe(two.port);
    expect([await textAt(one.url), await textAt(two.url)]).toEqual(["mem://a", "mem://a"]);
    expect(proxy.pools()[0]?.snapshot.all[0]?.live.requests).toBe(2);
    await proxy.close();
    for (const { url } of [one, two]) await expect(fetch(url)).rejects.toThrow("fetch failed");
  });

  test("takes port and host of the config, and what it is told goes before", async () => {
    const free = await freePort();
    const proxy = await openProxy({ plugins: [mem], port: free, host: "localhost" });
    expect(await proxy.listen()).toEqual({ url: `http://localhost:${free}`, port: free });
    const other = await proxy.listen({ port: 0, host: "127.0.0.1" });
    expect(other.port).not.toBe(free);
    expect(other.url).toContain("127.0.0.1");
  });

  test("writes an IPv6 address as a URL has it", async ({ skip }) => {
    const proxy = await openProxy({ plugins: [mem] });
    const listening = await proxy.listen({ host: "::1" }).catch(() => undefined);
    if (listening === undefined) skip("no IPv6 here");
    expect(listening?.url).toBe(`http://[::1]:${listening?.port}`);
    expect(await textAt(listening?.url ?? "")).toBe("mem://a");
  });

  test("on a busy port is an error, and the proxy goes on and closes as ever", async () => {
    const proxy = await createProxy({ plugins: [mem] });
    const { port, url } = await proxy.listen();
    await expect(proxy.listen({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(await textAt(url)).toBe("mem://a");
    await proxy.close();
  });

  test("of a closed proxy is refused, and opens nothing", async () => {
    const proxy = await createProxy({ plugins: [mem] });
    await proxy.close();
    await expect(proxy.listen()).rejects.toThrow("this proxy is closed");
  });
});

describe("attach", () => {
  async function attached(before: "before" | "after"): Promise<{ proxy: Proxy; url: string }> {
    const proxy = await openProxy({ plugins: [mem] });
    const server = createServer();
    onTestFinished(() => void server.close());
    if (before === "before") proxy.attach(server);
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    if (before === "after") proxy.attach(server);
    return { proxy, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  test.each(["before", "after"] as const)("to a server %s it listens serves on it", async (when) => {
    const { url } = await attached(when);
    expect(await textAt(url)).toBe("mem://a");
  });

  test("to a server that listens is no news for those who wait for it to listen", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    const server = createServer();
    onTestFinished(() => void server.close());
    let told = 0;
    server.on("listening", () => void (told += 1));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    proxy.attach(server);
    await proxy.reload();
    expect(told).toBe(1);
  });

  test("closes the server with the proxy", async () => {
    const { proxy, url } = await attached("before");
    expect(await textAt(url)).toBe("mem://a");
    await proxy.close();
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });

  test("to a server that has the listener already answers each request once", async () => {
    const proxy = await openProxy({ plugins: [mem] });
    const server = createServer(proxy.listener);
    proxy.attach(server);
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    expect(await textAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).toBe("mem://a");
    expect(proxy.pools()[0]?.snapshot.all[0]?.live.requests).toBe(1);
  });

  test("of a closed proxy is refused", async () => {
    const proxy = await createProxy({ plugins: [mem] });
    await proxy.close();
    expect(() => proxy.attach(createServer())).toThrow("this proxy is closed");
  });
});

test("the listener alone serves on a server that is not the proxy's", async () => {
  const proxy = await openProxy({ plugins: [mem] });
  const server = createServer(proxy.listener);
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  expect(await textAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).toBe("mem://a");
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}
