import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { createAuthority, pemFiles } from "../../certificates.ts";
import { type ActiveHealthOptions, activeHealth } from "plugboard/plugins/health/active-health";
import { testHealth, testPlugin } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { start, upstream } from "./started.ts";

testHealth({ test, create: (settings) => activeHealth(settings) });

testPlugin({
  test,
  create: () => activeHealth({ path: "/healthz", expect: [200, [300, 399]], headers: { "x-probe": "1" } }),
  badOptions: [
    { options: { path: "health" }, says: "path: Expected a path such as /health" },
    { options: { path: "/a b" }, says: "path" },
    { options: { interval: 0 }, says: "interval" },
    { options: { timeout: -1 }, says: "timeout" },
    { options: { fall: 0 }, says: "fall" },
    { options: { rise: 1.5 }, says: "rise" },
    { options: { jitter: 2 }, says: "jitter: Expected 0 to 1" },
    { options: { expect: ["2xx"] }, says: "expect.0" },
    { options: { expect: [[200]] }, says: "expect.0" },
    { options: { expect: [] }, says: "expect: Expected one status or more" },
    { options: { pool: "" }, says: "pool" },
    { options: { maxBytes: 0 }, says: "maxBytes" },
    { options: { intervall: 5 }, says: 'did you mean "interval"?' },
  ],
});

test("probes the root of the origin, whatever the base path", async () => {
  const probes = await upstream();
  await start([activeHealth()], { default: [{ url: `${probes.url}/v1` }] });
  expect(probes.requests.map(({ url }) => url)).toEqual(["/health"]);
});

test("sends the headers it was given with a GET on a connection of its own", async () => {
  const probes = await upstream();
  await start([activeHealth({ headers: { "x-probe": "1" } })], { default: [{ url: probes.url }] });
  const [request] = probes.requests;
  expect(request?.method).toBe("GET");
  expect(request?.headers).toMatchObject({ "x-probe": "1", connection: "close" });
});

test.each<[ActiveHealthOptions["expect"], number, boolean]>([
  [undefined, 200, true],
  [undefined, 204, true],
  [undefined, 299, true],
  [undefined, 302, false],
  [undefined, 401, false],
  [[200, 401], 401, true],
  [[200, 401], 204, false],
  [[[300, 399]], 300, true],
  [[[300, 399]], 399, true],
  [[[300, 399]], 200, false],
])("with %j expected, a status of %i passes: %s", async (statuses, status, passes) => {
  const { url } = await upstream((_request, response) => void response.writeHead(status, { location: "/" }).end());
  const { pool } = await start([activeHealth({ expect: statuses })], { default: [{ url }] });
  expect(pool().snapshot.available.length === 1).toBe(passes);
});

test("lets the status decide, whatever the body holds", async () => {
  const { url } = await upstream((_request, response) => void response.end(Buffer.from([0, 255, 10, 0])));
  const { pool } = await start([activeHealth()], { default: [{ url }] });
  expect(pool().snapshot.available).toHaveLength(1);
});

test("takes a body that is longer than it reads for an answer", async () => {
  const { url } = await upstream((_request, response) => void response.end(Buffer.alloc(100_000)));
  const { pool } = await start([activeHealth({ maxBytes: 1_000 })], { default: [{ url }] });
  expect(pool().snapshot.available).toHaveLength(1);
});

test("says why a target is down", async () => {
  const ill = await upstream((_request, response) => void response.writeHead(500).end());
  const silent = await upstream(() => undefined);
  const cut = await upstream((request) => request.socket.destroySoon());
  const noHttp = await upstream((request) => void request.socket.end("hello\r\n\r\n"));
  const specs = [
    { id: "ill", url: ill.url },
    { id: "silent", url: silent.url },
    { id: "no-http", url: noHttp.url },
    { id: "cut", url: cut.url },
    { id: "gone", url: "http://127.0.0.1:1" },
  ];
  const { pool } = await start([activeHealth({ timeout: 50 })], { default: specs });
  const verdicts = specs.map(({ id }) => pool().verdicts(id));
  expect(verdicts).toEqual(
    [
      "status 500",
      "no answer within 50 ms",
      expect.stringMatching(/expected HTTP/i),
      "other side closed",
      "ECONNREFUSED",
    ].map((reason) => [{ reporter: "active-health", reason, since: expect.any(Number), until: Infinity }]),
  );
});

test("looks at every pool, and a target in two of them is asked once", async () => {
  const [one, other] = [await upstream(), await upstream()];
  const pools = { default: [{ url: one.url }], second: [{ url: one.url }, { url: other.url }] };
  await start([activeHealth()], pools);
  expect([one.requests.length, other.requests.length]).toEqual([1, 1]);
});

test("looks at one pool only if told so", async () => {
  const [one, other] = [await upstream(), await upstream()];
  await start([activeHealth({ pool: "second" })], { default: [{ url: one.url }], second: [{ url: other.url }] });
  expect([one.requests.length, other.requests.length]).toEqual([0, 1]);
});

test("believes the first probe after a reload", async () => {
  let status = 503;
  const { url } = await upstream((_request, response) => void response.writeHead(status).end());
  const { proxy, pool } = await start([activeHealth()], { default: [{ url }] });
  expect(pool().snapshot.available).toHaveLength(0);
  status = 200;
  await proxy.reload();
  expect(pool().snapshot.available).toHaveLength(1);
});

test("does not take a target that serves down for one failure after a reload", async () => {
  let status = 200;
  const { url, requests } = await upstream((_request, response) => void response.writeHead(status).end());
  const { proxy, pool } = await start([activeHealth({ interval: 50, fall: 3 })], { default: [{ url }] });
  await (await proxy.fetch(new Request("http://proxy/"))).arrayBuffer();
  status = 503;
  const seen = requests.length;
  await proxy.reload();
  expect(requests.length).toBeGreaterThan(seen);
  const down = new Promise((resolve) => pool().onChange(({ available }) => available.length === 0 && resolve(true)));
  expect(pool().snapshot.available).toHaveLength(1);
  expect(await down).toBe(true);
});

test("begins anew with a target that has moved", async () => {
  const [old, moved] = [await upstream((_request, response) => void response.writeHead(503).end()), await upstream()];
  const pools = { default: [{ id: "a", url: old.url }] };
  const { pool, replace } = await start([activeHealth({ interval: 60_000 })], pools);
  const up = new Promise((resolve) => pool().onChange(({ available }) => available.length === 1 && resolve(true)));
  replace([{ id: "a", url: moved.url }]);
  expect(await up).toBe(true);
});

test("logs that a target went down or came back, and nothing else", async () => {
  const script = [200, 503, 503, 503, 200, 200, 200];
  const { url } = await upstream((_request, response) => void response.writeHead(script.shift() ?? 200).end());
  const { pool, log } = await start([activeHealth({ interval: 5, fall: 2, rise: 2 })], { default: [{ id: "a", url }] });
  let wasDown = false;
  await new Promise((resolve) =>
    pool().onChange(({ available }) => {
      if (available.length === 0) wasDown = true;
      else if (wasDown) resolve(true);
    }),
  );
  expect(log).toEqual(["warn: target a is down: status 503", "info: target a is up again"]);
});

test("probes hundreds of targets in each round, a few at a time", async () => {
  const probes = await upstream();
  const targets = Array.from({ length: 200 }, (_, i) => ({ id: `t${i}`, url: probes.url }));
  await start([activeHealth({ interval: 100, jitter: 0 })], { default: targets });
  expect(probes.requests).toHaveLength(200);
  await eventually(() => expect(probes.requests.length).toBeGreaterThanOrEqual(400));
});

test("trusts a target as its requests do, and speaks HTTP/1.1 with it", async () => {
  const authority = createAuthority();
  const [client, stranger] = [authority.issue({ names: ["proxy"] }), createAuthority()];
  const files = pemFiles({ ca: authority.cert, cert: client.cert, key: client.key, stranger: stranger.cert });
  const probes: string[] = [];
  const server = createServer({
    ...authority.issue({ names: ["models.test"] }),
    ca: authority.cert,
    requestCert: true,
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const socket = request.socket as TLSSocket & { servername?: string };
    probes.push(`${request.httpVersion} ${socket.servername} ${String(socket.getPeerCertificate().subject.CN)}`);
    response.end();
  });
  server.on("tlsClientError", () => {}).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => server.close().closeAllConnections());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const servername = "models.test";
  const { pool } = await start([activeHealth({ headers: { host: "other.test" } })], {
    default: [
      { id: "trusted", url, http2: true, tls: { ca: files.ca, cert: files.cert, key: files.key, servername } },
      { id: "unknown", url, tls: { ca: files.stranger, servername } },
      { id: "misnamed", url, tls: { ca: files.ca } },
    ],
  });
  expect(pool().snapshot.available.map(({ id }) => id)).toEqual(["trusted"]);
  expect(probes).toEqual(["1.1 models.test proxy"]);
  expect(pool().verdicts("unknown")[0]?.reason).toMatch(/certificate/);
});
