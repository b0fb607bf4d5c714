import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createProxy, type ProxyConfig } from "plugboard";
import { mockBackend, stats } from "plugboard/plugins";
import { expect, onTestFinished, test } from "vitest";
import { openProxy } from "./open-proxy.ts";

const run = promisify(execFile);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

test("a process ends by itself when its proxies are closed", { timeout: 60_000 }, async () => {
  const jiti = here("../../node_modules/jiti/lib/jiti-cli.mjs");
  const { stdout } = await run(process.execPath, [jiti, here("life.ts")], { timeout: 50_000 });
  const last = stdout.slice(stdout.lastIndexOf("{"));
  const { code, left, version } = JSON.parse(last) as { code: number; left: number; version: string };
  expect({ code, version }).toEqual({ code: 0, version: process.version });
  // A timer or a socket that was forgotten keeps it for seconds.
  expect(left).toBeLessThan(1_000);
});

function backendNamed(id: string): ProxyConfig["plugins"] {
  return [mockBackend({ backends: [{ id }] }), stats()];
}

async function backendAt(url: string): Promise<string | null> {
  const response = await fetch(`${url}/v1/models`);
  await response.text();
  return response.headers.get("x-mock-backend");
}

test("two proxies live in one process and know nothing of each other", async () => {
  const one = await openProxy(backendNamed("one"));
  const two = await openProxy(backendNamed("two"));
  expect(await backendAt(one.url)).toBe("one");
  expect(await backendAt(two.url)).toBe("two");
  await two.proxy.reload({ plugins: backendNamed("three") });
  expect(one.proxy.status().generation).toBe(1);
  expect(await backendAt(one.url)).toBe("one");
  expect(await backendAt(two.url)).toBe("three");
  await two.proxy.close();
  expect(await backendAt(one.url)).toBe("one");
  await expect(fetch(two.url)).rejects.toThrow("fetch failed");
});

test("the same config serves two proxies, each with backends and counts of its own", async () => {
  const plugins = backendNamed("one");
  const one = await openProxy(plugins);
  const two = await openProxy(plugins);
  await backendAt(one.url);
  const requests = [one, two].map(({ proxy }) => proxy.pools()[0]?.snapshot.all[0]?.live.requests);
  expect(requests).toEqual([1, 0]);
  await one.proxy.close();
  expect(await backendAt(two.url)).toBe("one");
});

test("a request is answered without a port", async () => {
  const proxy = await createProxy({ plugins: backendNamed("one") });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const response = await proxy.fetch(new Request("http://proxy/v1/models"));
  expect(await response.json()).toMatchObject({ object: "list" });
});
