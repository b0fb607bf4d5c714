import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { chat, createProject, run, type Started, start } from "./_cli.ts";

/** A server that answers everything with a text. */
async function upstream(text: string): Promise<number> {
  const server = createServer((_req, res) => res.end(text)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

interface Router extends Started {
  readonly url: string;
  readonly ready: object;
  json(path: string): Promise<object>;
}

async function open(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Router> {
  const started = start(["router", "--json", "--router-port", "0", "--bind", "127.0.0.1", ...args], { env });
  const ready = await started.next("ready");
  const url = String((ready.urls as readonly string[])[0]);
  return { ...started, url, ready, json: async (path) => (await (await fetch(url + path)).json()) as object };
}

const none = "http://127.0.0.1:9";

test("without any service it starts, says so and answers as the original does", async () => {
  const { url, ready, json } = await open([]);
  expect(ready).toMatchObject({ registry: null, staticServices: null, targets: [] });
  expect(ready).not.toHaveProperty("config");
  expect(await json("/health")).toMatchObject({ status: "running", healthy_services: "0/0", registry_url: null });
  const response = await chat(url);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ error: "No healthy services available for model 'small'" });
});

test("serves what stands in a file, and reads it again on SIGHUP", async () => {
  const [one, two] = [await upstream("one"), await upstream("two")];
  const service = (name: string, port: number): object => ({ name, host: "127.0.0.1", port, weight: 2 });
  const project = await createProject({ "services.json": JSON.stringify({ services: [service("one", one)] }) });
  const { url, ready, json, signal, next } = await open(["--static-services", project.path("services.json")]);
  expect(ready).toMatchObject({ targets: [{ id: "one", up: true }] });
  expect(await (await chat(url)).text()).toBe("one");
  expect(await json("/services")).toMatchObject({ services: [{ name: "one", port: one, weight: 2 }], total: 1 });
  await project.write("services.json", JSON.stringify([service("two", two)]));
  signal("SIGHUP");
  await next("reloaded");
  expect(await (await chat(url)).text()).toBe("two");
  await project.write("services.json", "[");
  signal("SIGHUP");
  await next("reload-failed");
  expect(await (await chat(url)).text()).toBe("two");
});

test("starts before the registry does, and tells which one it asks", async () => {
  const { ready, json } = await open(["--registry-url", none]);
  expect(ready).toMatchObject({ registry: [none], targets: [] });
  expect(await json("/health")).toMatchObject({ registry_url: none, stale: [{ pool: "default" }] });
});

test("shows a person the address, the registry and that there is nothing to serve", async () => {
  const { next } = start(["router", "--router-port", "0", "--bind", "127.0.0.1", "--registry-url", none]);
  const seen: string[] = [];
  while (!seen.at(-1)?.includes("targets  ")) seen.push(String((await next("text")).text));
  expect(seen.join("\n")).toMatch(/config +router: registry http:\/\/127\.0\.0\.1:9, no static services/u);
  expect(seen.at(-1)).toMatch(/targets +none yet: requests are answered with 503/u);
});

test("ends on SIGTERM as soon as nothing is under way", async () => {
  const { signal, exited, next } = await open([]);
  signal("SIGTERM");
  signal("SIGTERM");
  await next("closed");
  expect(await exited).toBe(0);
});

test("RUST_LOG says how much is logged", async () => {
  const project = await createProject({ "services.json": '[{"name":"one","host":"127.0.0.1","port":9,"url":"x"}]' });
  const args = ["--static-services", project.path("services.json")];
  const warned = await open(args);
  expect(await warned.next("log")).toMatchObject({ level: "warn", message: expect.stringContaining('"url"') });
  const quiet = await open(args, { RUST_LOG: "off" });
  quiet.signal("SIGKILL");
  await expect(quiet.next("log")).rejects.toThrow("it ended");
});

describe.concurrent("refuses with exit code 2 and a hint", () => {
  test.each([
    ["--health-interval 5s", "--health-interval 5s is no number of seconds", "write seconds from"],
    ["--max-errors 0", "--max-errors 0 is too few", "a whole number from 1"],
    ["--router-port 99999", "--router-port 99999 is no port", "a whole number from 0"],
    [
      "--registry-url localhost:1",
      "--registry-url localhost:1 is no URL",
      "did you mean --registry-url http://localhost:1?",
    ],
    ["--helth-interval 5", "unknown option --helth-interval", "did you mean --health-interval?"],
    ["--static-services none.json", "none.json cannot be read", ""],
    ["8080", "unexpected argument 8080", ""],
  ])("%s", async (line, message, fix) => {
    const { code, stdout, stderr } = await run(["router", ...line.split(" ")]);
    expect(stderr).toContain(message);
    expect(stderr).toContain(fix);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test.each([
    ["PROXY_TIMEOUT_SECONDS", "soon"],
    ["CACHE_TYPE_ROUTING_THRESHOLD", "50k"],
    ["RUST_LOG", "loud"],
  ])("%s=%s", async (name, value) => {
    const { code, stderr } = await run(["router"], { env: { [name]: value } });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`${name} ${value} is no `) });
  });
});
