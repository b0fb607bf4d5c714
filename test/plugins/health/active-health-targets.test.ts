import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createProxy, type ProxyConfig } from "plugboard";
import { type ActiveHealthOptions, activeHealth } from "plugboard/plugins/health/active-health";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { fakeTarget, testPlugin } from "plugboard/testing";
import { createChecks } from "../../../plugins/health/_checks.ts";
import { type ProbeResult, toResult } from "../../../plugins/health/_probe.ts";
import { eventually } from "../../e2e/eventually.ts";
import { start, upstream, type Upstream } from "./started.ts";

testPlugin({
  test,
  create: () => activeHealth({ body: /ok/, method: "GET", type: "http", targets: { a: false, b: { path: "/ready" } } }),
  badOptions: [
    { options: { type: "https" }, says: 'type: Expected "http" or "tcp"' },
    { options: { method: "POST" }, says: 'method: Expected "GET" or "HEAD"' },
    { options: { body: "" }, says: "body: Expected a text, or a RegExp" },
    { options: { body: 5 }, says: "body: Expected a text, or a RegExp" },
    { options: { method: "HEAD", body: "ok" }, says: "body: Expected none with the method HEAD" },
    { options: { headers: { "x y": "1" } }, says: "headers.x y: Expected the name of a header" },
    { options: { headers: { x: "1\r\ny: 2" } }, says: "headers.x: Expected the value of a header" },
    { options: { interval: 2 ** 31 }, says: "interval: Expected 2147483647 or less" },
    { options: { targets: { a: true } }, says: "targets.a: Expected false, or what is different" },
    { options: { targets: { a: { path: "ready" } } }, says: "targets.a.path: Expected a path such as /health" },
    { options: { targets: { a: { pathh: "/ready" } } }, says: 'did you mean "path"?' },
    { options: { targets: { a: { jitter: 0 } } }, says: "targets.a.jitter" },
    { options: { body: "ok", targets: { a: { method: "HEAD" } } }, says: "targets.a.body: Expected none with" },
  ],
});

/** Whether one target that answers with `body` is up after the start. */
async function isUp(options: ActiveHealthOptions, body: string | Buffer, status = 200): Promise<boolean> {
  const { url } = await upstream((_request, response) => void response.writeHead(status).end(body));
  const { pool } = await start([activeHealth(options)], { default: [{ url }] });
  return pool().snapshot.available.length === 1;
}

test.each<[string, string | RegExp, string, boolean]>([
  ["holds it", '"ready":true', '{"ready":true}', true],
  ["does not hold it", '"ready":true', '{"ready":false}', false],
  ["is empty", "ok", "", false],
  ["matches", /^(?:ok|fine)$/m, "hello\nfine\n", true],
  ["does not match", /^(?:ok|fine)$/m, "not fine", false],
  ["holds it in UTF-8", "schön", "alles schön", true],
])("a body that %s: %s", async (_, body, answer, passes) => {
  expect(await isUp({ body }, answer)).toBe(passes);
});

test("a body is looked at as far as it is read", async () => {
  const answer = `${"x".repeat(998)}ok`;
  expect(await isUp({ body: "ok", maxBytes: 1_000 }, answer)).toBe(true);
  expect(await isUp({ body: "ok", maxBytes: 999 }, answer)).toBe(false);
});

test("the status has to fit also where the body does", async () => {
  expect(await isUp({ body: "ok" }, "ok", 503)).toBe(false);
});

test("an expression with a memory finds the same again", async () => {
  const { url, requests } = await upstream((_request, response) => void response.end("ok"));
  const { pool } = await start([activeHealth({ body: /ok/g, interval: 5, fall: 1 })], { default: [{ url }] });
  await eventually(() => expect(requests.length).toBeGreaterThan(5));
  expect(pool().snapshot.version).toBe(1);
});

test("says that the body was not the expected one, and nothing of what it was", async () => {
  const { url } = await upstream((_request, response) => void response.end("a secret"));
  const { pool } = await start([activeHealth({ body: "ok" })], { default: [{ id: "a", url }] });
  expect(pool().verdicts("a")[0]?.reason).toBe("status 200 without the expected body");
});

test("asks by HEAD when told so", async () => {
  const { url, requests } = await upstream();
  const { pool } = await start([activeHealth({ method: "HEAD" })], { default: [{ url }] });
  expect(requests.map(({ method }) => method)).toEqual(["HEAD"]);
  expect(pool().snapshot.available).toHaveLength(1);
});

/** A port that takes connections, and counts what it is told. */
async function port(): Promise<{ readonly url: string; readonly sockets: Socket[]; bytes(): number }> {
  const sockets: Socket[] = [];
  let bytes = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length)).on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, bytes: () => bytes };
}

test("a target that takes a connection passes by TCP, and is told nothing", async () => {
  const { url, sockets, bytes } = await port();
  const { pool } = await start([activeHealth({ type: "tcp" })], { default: [{ url }] });
  expect(pool().snapshot.available).toHaveLength(1);
  await eventually(() =>
    expect(sockets.map(({ readableEnded, destroyed }) => readableEnded || destroyed)).toEqual([true]),
  );
  expect(bytes()).toBe(0);
});

test("a target that is not there, or not where it may be, fails by TCP", async () => {
  const { url } = await port();
  const specs = [
    { id: "gone", url: "http://127.0.0.1:1" },
    { id: "elsewhere", url: url.replace("127.0.0.1", "localhost"), addresses: ["10.0.0.0/8"] },
  ];
  const { pool } = await start([activeHealth({ type: "tcp" })], { default: specs });
  expect(specs.map(({ id }) => pool().verdicts(id)[0]?.reason)).toEqual(["ECONNREFUSED", "EBLOCKED"]);
});

/** A port whose backlog is full: connecting to it neither succeeds nor fails. */
async function blackHole(): Promise<string> {
  const listen = `
    const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
  const number = Number(String((await once(child.stdout, "data"))[0]));
  const sockets = Array.from({ length: 8 }, () => connect(number, "127.0.0.1").on("error", () => {}));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    child.kill("SIGKILL");
  });
  await Promise.race(sockets.map((socket) => once(socket, "connect")));
  return `http://127.0.0.1:${number}`;
}

test("a target that does not take connections in time fails by TCP", async () => {
  const specs = [{ id: "a", url: await blackHole() }];
  const { pool } = await start([activeHealth({ type: "tcp", timeout: 50 })], { default: specs });
  expect(pool().verdicts("a")[0]?.reason).toBe("no answer within 50 ms");
});

const paths = ({ requests }: Upstream): (string | undefined)[] => requests.map(({ url }) => url);

test("asks single targets in another way, and the rest as usual", async () => {
  const [a, b, c] = [
    await upstream(),
    await upstream(),
    await upstream((_request, response) => void response.writeHead(401).end()),
  ];
  const { pool } = await start(
    [
      activeHealth({
        path: "/alive",
        headers: { "x-probe": "1" },
        targets: { b: { path: "/ready" }, c: { expect: [401] } },
      }),
    ],
    {
      default: [
        { id: "a", url: a.url },
        { id: "b", url: b.url },
        { id: "c", url: c.url },
      ],
    },
  );
  expect([paths(a), paths(b), paths(c)]).toEqual([["/alive"], ["/ready"], ["/alive"]]);
  expect(b.requests[0]?.headers["x-probe"]).toBe("1");
  expect(pool().snapshot.available).toHaveLength(3);
});

test("asks single targets at another interval", async () => {
  const [slow, quick] = [await upstream(), await upstream()];
  await start([activeHealth({ interval: 60_000, targets: { quick: { interval: 5 } } })], {
    default: [
      { id: "slow", url: slow.url },
      { id: "quick", url: quick.url },
    ],
  });
  await eventually(() => expect(quick.requests.length).toBeGreaterThan(5));
  expect(slow.requests).toHaveLength(1);
});

test("counts single targets in another way", async () => {
  const script = { a: [200, 503], b: [200, 503] };
  const answering = (left: number[]): Promise<Upstream> =>
    upstream(
      (_request, response) => void response.writeHead(left.length > 1 ? Number(left.shift()) : Number(left[0])).end(),
    );
  const [a, b] = [await answering(script.a), await answering(script.b)];
  const { pool } = await start([activeHealth({ interval: 5, fall: 1_000_000, targets: { b: { fall: 1 } } })], {
    default: [
      { id: "a", url: a.url },
      { id: "b", url: b.url },
    ],
  });
  await eventually(() => expect(pool().snapshot.available.map(({ id }) => id)).toEqual(["a"]));
});

test("does not ask a target that is switched off, and takes back what was said of it", async () => {
  const { url, requests } = await upstream((_request, response) => void response.writeHead(503).end());
  let off = false;
  const config = (): ProxyConfig => ({
    plugins: [staticTargets({ targets: [{ id: "a", url }] }), activeHealth(off ? { targets: { a: false } } : {})],
  });
  const proxy = await createProxy(config);
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const available = (): number => proxy.pools()[0]?.snapshot.available.length ?? 0;
  expect([available(), requests.length]).toEqual([0, 1]);
  off = true;
  await proxy.reload();
  expect([available(), requests.length]).toEqual([1, 1]);
});

test("takes back what was said of a target that is not in the one pool it looks at any more", async () => {
  const ill = await upstream((_request, response) => void response.writeHead(503).end());
  let pool: string | undefined;
  const config = (): ProxyConfig => ({
    plugins: [
      staticTargets({ targets: [{ id: "a", url: ill.url }] }),
      staticTargets({ targets: ["http://127.0.0.1:1"], pool: "other" }),
      activeHealth({ pool }),
    ],
  });
  const proxy = await createProxy(config);
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const available = (): number => proxy.pools().find(({ name }) => name === "default")?.snapshot.available.length ?? 0;
  expect(available()).toBe(0);
  pool = "other";
  await proxy.reload();
  expect(available()).toBe(1);
});

test("a target that no discovery can have is a mistake in the config", async () => {
  const targets = staticTargets({ targets: [{ id: "gpu-1", url: "http://127.0.0.1:1" }] });
  const config = { plugins: [targets, activeHealth({ targets: { "gpu-2x": { path: "/ready" } } })] };
  await expect(createProxy(config)).rejects.toThrow(/targets\.gpu-2x: no discovery .*did you mean "gpu-1"\?/s);
});

test("a target that some discovery may yet have is none", async () => {
  const targets = staticTargets({ targets: [{ id: "gpu-1", url: "http://127.0.0.1:1" }] });
  const { pool } = await start([targets, activeHealth({ targets: { "gpu-1": false, "gpu-2": false } })], { other: [] });
  expect(pool().snapshot.available).toHaveLength(1);
});

test.each<[object, ProbeResult]>([
  [{ code: "EMFILE" }, null],
  [{ code: "ENFILE" }, null],
  [{ code: "ENOBUFS" }, null],
  [{ code: "EADDRNOTAVAIL", address: "127.0.0.1" }, null],
  [{ code: "EADDRNOTAVAIL", address: "::1" }, "EADDRNOTAVAIL"],
  [{ code: "ECONNREFUSED", address: "127.0.0.1" }, "ECONNREFUSED"],
  [{ code: "UND_ERR_SOCKET" }, "it failed"],
])("an error with %j is %j", (fields, result) => {
  expect(toResult(Object.assign(new Error("it failed"), fields))).toBe(result);
});

test("a probe from which nothing could be learned changes nothing, and the next one is the first", async () => {
  const results: ProbeResult[] = [null, "ECONNREFUSED", null, undefined];
  const said: string[] = [];
  const checks = createChecks({
    fall: 3,
    rise: 1,
    prober: { probe: async () => Promise.resolve(results.shift()), close: () => Promise.resolve() },
    turned: (id, failure, first) => void said.push(`${id} ${failure ?? "up"} ${String(first)}`),
  });
  onTestFinished(() => checks.stop());
  await checks.follow([fakeTarget({ id: "a" })]);
  expect(said).toEqual([]);
  for (let left = results.length; left > 0; left--) {
    checks.round(1);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  expect(said).toEqual(["a ECONNREFUSED true", "a up false"]);
});
