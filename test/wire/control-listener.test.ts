import type { ProxyConfig } from "plugboard";
import { explain, models, stats } from "plugboard/plugins";
import { describe, expect, test } from "vitest";
import { answering } from "./evil-upstream.ts";
import { get, message, ok } from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";
import { rawClient, type RawResponse } from "./raw-client.ts";
import { at } from "./waiting.ts";

const control = ["/stats", "/services", "/health", "/ready", "/explain?path=/"];

/** Data on the proxy's own port, statistics and `explain` on another. */
function openControlled(more: Partial<ProxyConfig> = {}): Promise<Wire> {
  return openWire(
    answering(({ method, path }) => ok(`upstream ${method} ${path}`)),
    {
      plugins: [stats(), explain(), models()],
      ...more,
      listeners: { admin: { port: 0, control: ["stats", "explain"] } },
    },
  );
}

/** By the port of that listener. */
async function askAt(wire: Wire, name: string, bytes: string): Promise<RawResponse> {
  const { port } = at(wire.proxy.listeners().filter((listener) => listener.name === name));
  const client = await rawClient(port);
  try {
    await client.send(bytes);
    return await client.response(bytes.slice(0, bytes.indexOf(" ")));
  } finally {
    client.destroy();
  }
}

describe("control routes with a listener of their own", () => {
  test.each(control)("%s is answered there", async (path) => {
    const local = get(path).replace("Host: proxy.test", "Host: localhost");
    const { status, text } = await askAt(await openControlled(), "admin", local);
    expect(status).toBe(200);
    expect(text).not.toContain("upstream GET");
  });

  test.each(["/v1/chat", "/v1/models", "/", "/nothing"])("there is nothing else there: %s", async (path) => {
    const wire = await openControlled();
    expect((await askAt(wire, "admin", get(path))).status).toBe(404);
    expect(wire.upstream.requests).toHaveLength(0);
  });

  test("what is not named stays where it was", async () => {
    const { status, text } = await askAt(await openControlled(), "main", get("/v1/models"));
    expect(status).toBe(200);
    expect(text).not.toContain("upstream");
  });

  test.each(control)("%s is a path like any other on the data port", async (path) => {
    expect((await askAt(await openControlled(), "main", get(path))).text).toBe(`upstream GET ${path}`);
  });

  test.each(control)("%s is nothing on a data port that has mounts", async (path) => {
    const wire = await openControlled({ mounts: [{ path: "/v1" }] });
    expect((await askAt(wire, "main", get(path))).status).toBe(404);
  });
});

/** Each a request line and headers; `ADMIN` is the address of the control listener. */
const tricks: [string, string[]][] = [
  ["the other port in the Host", ["GET /stats HTTP/1.1", "Host: ADMIN"]],
  ["an absolute form of the other port", ["GET http://ADMIN/stats HTTP/1.1", "Host: ADMIN"]],
  ["an absolute form beside another Host", ["GET http://ADMIN/stats HTTP/1.1", "Host: proxy.test"]],
  ["two slashes", ["GET //stats HTTP/1.1", "Host: proxy.test"]],
  ["an encoded letter", ["GET /%73tats HTTP/1.1", "Host: proxy.test"]],
  ["an encoded slash", ["GET /%2fstats HTTP/1.1", "Host: proxy.test"]],
  ["a twice encoded slash", ["GET /%252fstats HTTP/1.1", "Host: proxy.test"]],
  ["dot segments", ["GET /v1/../stats HTTP/1.1", "Host: proxy.test"]],
  ["encoded dot segments", ["GET /v1/%2e%2e/stats HTTP/1.1", "Host: proxy.test"]],
  ["dot segments with a parameter", ["GET /v1/..;/stats HTTP/1.1", "Host: proxy.test"]],
  ["a backslash", ["GET /v1\\..\\stats HTTP/1.1", "Host: proxy.test"]],
  ["a parameter", ["GET /stats;a=b HTTP/1.1", "Host: proxy.test"]],
  ["capitals", ["GET /STATS HTTP/1.1", "Host: proxy.test"]],
  ["a slash at the end", ["GET /stats/ HTTP/1.1", "Host: proxy.test"]],
  ["a fragment", ["GET /v1#/../stats HTTP/1.1", "Host: proxy.test"]],
  ["another method", ["HEAD /stats HTTP/1.1", "Host: proxy.test"]],
  ["headers that name another path", ["GET /v1 HTTP/1.1", "Host: proxy.test", "X-Original-URL: /stats"]],
  ["headers that name a rewritten path", ["GET /v1 HTTP/1.1", "Host: proxy.test", "X-Rewrite-URL: /stats"]],
  ["a forwarded host and port", ["GET /stats HTTP/1.1", "Host: proxy.test", "X-Forwarded-Host: ADMIN"]],
  ["a forwarded prefix", ["GET /tats HTTP/1.1", "Host: proxy.test", "X-Forwarded-Prefix: /s"]],
  ["an upgrade", ["GET /stats HTTP/1.1", "Host: proxy.test", "Connection: Upgrade", "Upgrade: h2c"]],
  [
    "an overridden method",
    ["POST /stats HTTP/1.1", "Host: proxy.test", "X-HTTP-Method-Override: GET", "Content-Length: 0"],
  ],
  ["no Host, by HTTP/1.0", ["GET /stats HTTP/1.0"]],
];

test.each(tricks)("no trick leads from the data port to a control route: %s", async (_, lines) => {
  for (const mounts of [undefined, [{ path: "/v1" }]]) {
    const wire = await openControlled(mounts && { mounts });
    const { port } = at(wire.proxy.listeners().filter(({ name }) => name === "admin"));
    const sent = message(lines.map((line) => line.replaceAll("ADMIN", `127.0.0.1:${port}`)));
    const { status, text } = await askAt(wire, "main", sent);
    // Either it is a path for the upstream, or it is refused; in no case is it answered here.
    if (status === 200) expect(text).toMatch(/^(?:upstream |$)/);
    else expect([400, 404, 405]).toContain(status);
    const answered = await askAt(wire, "admin", get("/stats"));
    expect(JSON.parse(answered.text)).toBeTypeOf("object");
  }
});

test("a second request on the same connection stays on its port, whatever it says", async () => {
  const wire = await openControlled();
  const { port } = at(wire.proxy.listeners().filter(({ name }) => name === "admin"));
  const client = await wire.client();
  await client.send(get("/one") + message(["GET /stats HTTP/1.1", `Host: 127.0.0.1:${port}`]));
  expect((await client.response()).text).toBe("upstream GET /one");
  expect((await client.response()).text).toBe("upstream GET /stats");
});
