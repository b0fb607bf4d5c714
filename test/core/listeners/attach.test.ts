import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Plugin } from "plugboard";
import { expect, onTestFinished, test } from "vitest";
import { memUpstream } from "../mem-upstream.ts";
import { type OpenProxy, openProxy } from "../open-proxy.ts";
import { hooks } from "../quick-plugin.ts";

const says = (body: string): Plugin => hooks({ request: () => ({ status: 200, body }) }, "says");

/** A server that listens, and where. */
async function listening(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const open = (): Promise<OpenProxy> =>
  openProxy({
    plugins: [memUpstream()],
    listeners: {
      admin: { port: 0, plugins: [says("admin")] },
      compat: { port: 0, mounts: [{ path: "/v1", plugins: [says("compat")] }] },
    },
  });

test.each([
  [undefined, 200, "mem://a"],
  ["main", 200, "mem://a"],
  ["admin", 200, "admin"],
  ["compat", 404, expect.stringContaining("not_found")],
])("a server that is attached as %s serves what that serves", async (listener, status, text) => {
  const proxy = await open();
  const { server, url } = await listening();
  proxy.attach(server, listener);
  const response = await fetch(`${url}/path`);
  expect([response.status, await response.text()]).toEqual([status, text]);
});

test("a server that is attached as a listener follows it over a reload, and is told when it is gone", async () => {
  const proxy = await open();
  const { server, url } = await listening();
  proxy.attach(server, "admin");
  await proxy.reload({ plugins: [memUpstream()], listeners: { admin: { port: 0, plugins: [says("later")] } } });
  expect(await (await fetch(url)).text()).toBe("later");
  await proxy.reload({ plugins: [memUpstream()] });
  expect((await fetch(url)).status).toBe(503);
});

test("a server cannot be attached as a listener that there is not, and goes on without the proxy", async () => {
  const proxy = await open();
  const { server, url } = await listening();
  server.on("request", (_request, response) => void response.end("its own"));
  expect(() => proxy.attach(server, "nobody")).toThrow('the config has no listener "nobody"');
  expect(() => proxy.attach(server, "constructor")).toThrow('the config has no listener "constructor"');
  await proxy.close();
  expect(await (await fetch(url)).text()).toBe("its own");
});
