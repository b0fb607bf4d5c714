import { createServer, type RequestListener } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createConsola } from "consola";
import { expect, onTestFinished, test, vi } from "vitest";
import { createProxy, definePlugin, type Plugin, type Proxy } from "plugboard";
import { type AccessLogOptions, accessLog } from "plugboard/plugins/stats/access-log";
import { sse } from "plugboard/plugins/stream/sse";
import { testObserver, testPlugin } from "plugboard/testing";

for (const format of ["json", "pretty"] as const) {
  testObserver({
    test: (name, run) => test(`${name} (${format})`, run),
    create: (write) => accessLog({ format, write }),
  });
}

testPlugin({
  test,
  create: () => accessLog({ format: "json", write: () => undefined, skip: ["/health"] }),
  badOptions: [
    { options: { format: "xml" }, says: "format" },
    { options: { write: "stdout" }, says: "write: Expected a function that takes a line" },
    { options: { skip: ["health"] }, says: "skip.0: Expected a path such as /health" },
    { options: { now: 1 }, says: "now: Expected a function that tells the time" },
    { options: { fromat: "json" }, says: 'did you mean "format"?' },
  ],
});

const time = Date.UTC(2000, 0, 2, 3, 4, 5, 6);

test("tells of an exchange what the plugins made of it", async () => {
  const logged = await start({}, (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end('data: {"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n');
  });
  await logged.get("/v1/chat/completions?key=secret", { "user-agent": "test/1.0" });
  const [line = {}] = await logged.lines(1);
  expect(line).toEqual({
    time: "2000-01-02T03:04:05.006Z",
    id: expect.stringMatching(/./),
    method: "GET",
    path: "/v1/chat/completions",
    status: 200,
    kind: "ok",
    flag: "-",
    model: "fast",
    route: "the route",
    target: "a",
    attempts: 1,
    ttfb: expect.any(Number),
    duration: expect.any(Number),
    bytesIn: 0,
    bytesOut: 59,
    tokens: { prompt: 3, completion: 4, total: 7 },
    ip: "127.0.0.1",
    userAgent: "test/1.0",
  });
  expect(line.duration).toBeGreaterThanOrEqual(Number(line.ttfb));
});

test.each(["json", "pretty"] as const)("names the client and the id that guards noted (%s)", async (format) => {
  const guard = definePlugin({
    name: "guard",
    setup(proxy) {
      const [client, id] = [proxy.slot<{ name: string }>("client"), proxy.slot<string>("requestId")];
      return {
        request(x) {
          client.set(x, { name: "team-a" });
          id.set(x, "id-of-the-client");
          return { status: 200 };
        },
      };
    },
  });
  const lines: string[] = [];
  const proxy = await createProxy({
    plugins: [guard(), accessLog({ format, write: (line) => void lines.push(line) })],
  });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  await (await proxy.fetch(new Request("http://proxy/"))).text();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(format === "json" ? '"client":"team-a"' : "client=team-a");
  expect(lines[0]).toContain("id-of-the-client");
});

test("tells of attempts that failed", async () => {
  const logged = await start({}, undefined);
  expect((await logged.get("/")).status).toBe(502);
  expect(await logged.lines(1)).toMatchObject([
    { status: 502, kind: "connect", flag: "UF", target: "a", attempts: 1, ttfb: 0 },
  ]);
});

test("tells of a client that left in the middle, and who it was", async () => {
  const logged = await start({}, (_request, response) => void response.write("and so on"));
  const leaving = new AbortController();
  const response = await fetch(logged.url, { signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  expect(await logged.lines(1)).toMatchObject([
    { status: 200, kind: "client-abort", flag: "DC", target: "a", bytesOut: 9, ip: "127.0.0.1" },
  ]);
});

test("tells of a client that left before there was an answer", async () => {
  let asked: (() => void) | undefined;
  const arrival = new Promise<void>((resolve) => (asked = resolve));
  const logged = await start({}, () => asked?.());
  const leaving = new AbortController();
  const response = fetch(logged.url, { signal: leaving.signal }).catch(() => undefined);
  await arrival;
  leaving.abort();
  await response;
  expect(await logged.lines(1)).toMatchObject([{ status: 499, kind: "client-abort", flag: "DC", ttfb: 0 }]);
});

test("does not tell of the paths it is to skip", async () => {
  const byDefault = await start({}, (_request, response) => void response.end());
  for (const path of ["/health", "/ready", "/health/", "/healthy", "/stats"]) await byDefault.get(path);
  expect((await byDefault.lines(3)).map(({ path }) => path)).toEqual(["/health/", "/healthy", "/stats"]);
  const logged = await start({ skip: ["/stats"] }, (_request, response) => void response.end());
  for (const path of ["/stats?x=1", "/health"]) await logged.get(path);
  expect((await logged.lines(1)).map(({ path }) => path)).toEqual(["/health"]);
});

test("tells when an asynchronous destination fails", async () => {
  const write = (): Promise<void> => Promise.reject(new Error("the disk is full"));
  const { get, log } = await start({ write }, (_request, response) => void response.end());
  expect((await get("/")).status).toBe(200);
  await vi.waitFor(() => expect(log).toEqual(["a log line was not written: Error: the disk is full"]));
});

test.each([
  [true, /^03:04:05.006 200 GET \/ ok /],
  [false, /^\{"time":"2000-01-02T03:04:05.006Z",/],
])("writes to standard output, on a terminal (%s) for the eye", async (isTerminal, line) => {
  const written: string[] = [];
  const { isTTY } = process.stdout;
  process.stdout.isTTY = isTerminal;
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  onTestFinished(() => {
    process.stdout.isTTY = isTTY;
    write.mockRestore();
  });
  const { get, proxy } = await start({ write: undefined }, (_request, response) => void response.end());
  await get("/");
  await proxy.close({ deadline: 0 });
  expect(written.filter((text) => text.includes("03:04:05.006"))).toEqual([expect.stringMatching(line)]);
});

interface Logged {
  readonly proxy: Proxy;
  readonly url: string;
  /** What the proxy logs of itself. */
  readonly log: readonly string[];
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** The lines, once there are so many. */
  lines(count: number): Promise<Record<string, unknown>[]>;
}

/** A proxy with one target `a`, which refuses connections if it has no answer. */
async function start(options: AccessLogOptions, answer: RequestListener | undefined): Promise<Logged> {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const url = await open(answer);
  const said: string[] = [];
  const log = createConsola({ reporters: [{ log: ({ args }) => void said.push(args.join(" ")) }] });
  const proxy = await createProxy(
    { plugins: [routed(url), sse(), accessLog({ now: () => time, write, ...options })] },
    { log },
  );
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { url: base } = await proxy.listen();
  return {
    proxy,
    url: base,
    log: said,
    async get(path, headers = {}) {
      const response = await fetch(base + path, { headers });
      await response.arrayBuffer();
      return response;
    },
    async lines(count) {
      await vi.waitFor(() => expect(lines.length).toBeGreaterThanOrEqual(count));
      return lines;
    },
  };
}

function routed(url: string): Plugin {
  return definePlugin({
    name: "routed",
    setup(proxy) {
      const route = proxy.createRoute({ name: "the route" });
      proxy.provide("discovery", "routed", { start: (sink) => sink.replace([{ id: "a", url }]) });
      return {
        resolve(x) {
          x.model = "fast";
          return route;
        },
      };
    },
  })();
}

async function open(answer: RequestListener | undefined): Promise<string> {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  if (answer === undefined) close();
  else onTestFinished(close);
  return url;
}
