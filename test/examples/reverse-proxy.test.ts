import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test, vi } from "vitest";
import { openConfig } from "../e2e/open-proxy.ts";
import { openUpstream } from "../e2e/open-upstream.ts";

async function open(...upstreams: string[]): Promise<string> {
  vi.stubEnv("UPSTREAMS", upstreams.join(","));
  vi.resetModules();
  onTestFinished(() => void vi.unstubAllEnvs());
  const { default: config } = await import("../../examples/reverse-proxy.ts");
  return (await openConfig(config)).url;
}

const echo = (name: string): Promise<string> =>
  openUpstream(async (req, res) => {
    const body = await buffer(req);
    res.writeHead(req.method === "POST" ? 201 : 200, { "x-upstream": name });
    res.end(`${req.method} ${req.url} ${body.toString()}`);
  });

test("requests of any kind pass, paths and bodies as they are", async () => {
  const url = await open(await echo("one"));
  const got = await fetch(`${url}/a%20b/health?x=1&x=2`);
  expect(got.status).toBe(200);
  expect(await got.text()).toBe("GET /a%20b/health?x=1&x=2 ");
  const posted = await fetch(`${url}/form`, { method: "POST", body: "name=alice" });
  expect(posted.status).toBe(201);
  expect(await posted.text()).toBe("POST /form name=alice");
  expect(await (await fetch(`${url}/health`)).text()).toBe("GET /health ");
});

test("an upstream that is down is left out, and the proxy tells so", async () => {
  const url = await open("http://127.0.0.1:9", await echo("two"));
  for (let request = 0; request < 3; request++) {
    const response = await fetch(url);
    expect(response.headers.get("x-upstream")).toBe("two");
    await response.text();
  }
  const health = await (await fetch(`${url}/_proxy/health`)).json();
  expect(health).toMatchObject({ status: "degraded", healthy: 1, total: 2 });
});
