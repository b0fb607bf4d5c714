import { Agent, request } from "node:http";
import { startLoad } from "../load.mjs";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, ok, within } from "../wire.mjs";
import { until } from "../world.mjs";

/** Section J of the promises: who registers. */
export const registry = [
  { id: "J4", promise: "A service stays whose it is while its lease holds", run: hijacking, naive: false },
  {
    id: "J5",
    promise: "Services that come and go, and what they say wrongly, lose nobody a request",
    run: flapping,
    naive: false,
  },
  { id: "J6", promise: "A registry that dies and comes back empty takes no target away", run: amnesia, naive: false },
];

async function hijacking(world) {
  const cases = createCases();
  const { ask, askFrom } = await openRegistry(world);
  const [own, other] = ["lease-of-the-owner", "lease-of-another"].map((lease) => ({ "x-lease-id": lease }));
  const port = async (name) => (await ask("GET", `/services/${name}`)).value.port;
  const refused = (name, method, path, body, headers, from) =>
    cases.try(`${method} by ${name}`, async () => {
      const { status } = await (from === undefined ? ask : askFrom.bind(undefined, from))(method, path, body, headers);
      mustEqual([status, await port("mine"), await port("plain")], [409, 1_001, 1_002], "the answer, and whose it is");
    });
  mustEqual((await ask("POST", "/services", service("mine", 1_001), own)).status, 201, "the first registration");
  mustEqual((await ask("POST", "/services", service("plain", 1_002))).status, 201, "that without a lease of its own");
  const visitors = [
    ["one with another lease", other],
    ["one without a lease", undefined],
    ["one with another lease from elsewhere", other, "127.0.0.2"],
    ["one without a lease from elsewhere", undefined, "127.0.0.2"],
  ];
  for (const [name, headers, from] of visitors) {
    await refused(name, "POST", "/services", service("mine", 7_777), headers, from);
    await refused(name, "PUT", "/services/mine", { port: 7_777 }, headers, from);
    await refused(name, "POST", "/services/mine/heartbeat", { status: "stopped" }, headers, from);
    await refused(name, "DELETE", "/services/mine", undefined, headers, from);
  }
  await refused("one on its port from elsewhere", "POST", "/services", service("mine", 1_001), other, "127.0.0.2");
  for (const [method, path, body] of [
    ["POST", "/services", service("plain", 7_777)],
    ["PUT", "/services/plain", { port: 7_777 }],
    ["POST", "/services/plain/heartbeat", {}],
    ["DELETE", "/services/plain", undefined],
  ])
    await refused("one from elsewhere, where there is no lease", method, path, body, undefined, "127.0.0.2");
  await cases.try("fifty at once", async () => {
    const all = Array.from({ length: 50 }, (_, index) =>
      ask("POST", "/services", service("wanted", 12_000 + index), { "x-lease-id": `lease-number-${index}` }),
    );
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    mustEqual(
      statuses.filter((status) => status !== 409),
      [201],
      "those that were taken",
    );
    mustEqual(await port("wanted"), 12_000 + statuses.indexOf(201), "the port of the one that was");
  });
  await cases.try("its owner, from elsewhere", async () => {
    const answers = [
      await askFrom("127.0.0.2", "POST", "/services/mine/heartbeat", {}, own),
      await askFrom("127.0.0.2", "POST", "/services", service("mine", 1_003), own),
      await askFrom("127.0.0.2", "DELETE", "/services/mine", undefined, own),
      await ask("POST", "/services", service("mine", 7_777), other),
    ];
    mustEqual(
      answers.map(({ status }) => status),
      [200, 201, 200, 201],
      "the answers, and to who follows it",
    );
  });
  return cases.verdict("attempts on a service met");
}

/** Weights that are none, as JSON or what resembles it. */
const weights = "NaN Infinity -Infinity -1 -1e-9 1e308 1e400 -1e400 1000000.1 null true [] {} [1]".split(" ");
const texts = ['"5"', '"NaN"', '""'];

async function flapping(world) {
  const cases = createCases();
  const opened = await openRegistry(world);
  const { ask } = opened;
  await cases.try("the heartbeat of one that is unknown", async () => {
    mustEqual((await ask("POST", "/services/unknown/heartbeat", {})).status, 404, "the answer");
  });
  const known = JSON.stringify(service("known", 1_001, { metadata: {}, weight: 7 }));
  mustEqual((await ask("POST", "/services", known)).status, 201, "a registration as text");
  for (const weight of [...weights, ...texts]) {
    await cases.try(`a weight of ${weight}`, async () => {
      const body = JSON.stringify(service("weighed", 1_002, { weight: 0 })).replace('"weight":0', `"weight":${weight}`);
      const answers = [
        await ask("POST", "/services", body),
        await ask("PUT", "/services/known", `{"weight":${weight}}`),
        await ask("GET", "/services/weighed"),
      ];
      const [posted, put, read] = answers.map(({ status }) => status);
      // 422 is what the registry says of a field, 400 of what is no JSON.
      mustEqual([[400, 422].includes(posted), put, read], [true, posted, 404], "refused twice, and not there");
      mustEqual((await ask("GET", "/services/known")).value.weight, 7, "the weight that it had");
    });
  }
  let figure = "";
  await cases.try("1000 flaps", async () => void (figure = await flaps(world, opened)));
  const { kept, figure: tried } = cases.verdict("faults and flaps met");
  return { kept, figure: `${tried}${figure}` };
}

async function flaps(world, { ask, url }) {
  const steady = await world.upstreamProcess({ name: "steady" });
  let release;
  const released = new Promise((resolve) => void (release = resolve));
  let visits = 0;
  const upstream = await world.upstream(
    answering(async ({ path }) => {
      visits++;
      // Long enough to be under way when it leaves.
      await (path === "/held" ? released : new Promise((resolve) => void setTimeout(resolve, 5)));
      return ok("flapping");
    }),
  );
  const come = () => ask("POST", "/services", service("flapping", upstream.port));
  const leave = () => ask("DELETE", "/services/flapping");
  mustEqual((await ask("POST", "/services", service("steady", steady.port))).status, 201, "the registration of one");
  mustEqual((await come()).status, 201, "that of the other");
  const router = await openRouter(world, { url });
  const clients = await Promise.all(Array.from({ length: 4 }, () => world.client(router)));
  for (const client of clients) await client.send(get("/held"));
  await until(() => visits > 0, "one is held");
  const load = startLoad(router.port, { clients: 8, path: "/good" });
  const statuses = new Map();
  for (let flap = 1; flap <= 1_000; flap++) {
    // Now and then it stays until it has been asked.
    const before = visits;
    if (flap % 50 === 0) await until(() => visits > before, "the one that came is asked");
    for (const { status } of [await leave(), await come()]) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  mustEqual(
    [...statuses],
    [
      [200, 1_000],
      [201, 1_000],
    ],
    "the answers of the registry",
  );
  mustEqual((await leave()).status, 200, "the last leave");
  release();
  const held = await within(Promise.all(clients.map((client) => client.response())), "those that were held");
  mustEqual(
    held.map(({ status, ending }) => [status, ending]),
    clients.map(() => [200, "complete"]),
    "their answers",
  );
  must(
    held.some(({ text }) => text === "flapping"),
    "none was held where it mattered",
  );
  const { sent, failed } = await load.stop();
  mustEqual(failed, [], "requests lost");
  const last = visits;
  for (let index = 0; index < 20; index++) mustEqual((await world.exchange(router, get("/"))).text, "steady", "who");
  mustEqual(visits, last, "visits at the one that has left");
  return `; ${sent} of ${sent} requests served during 1000 flaps, ${visits} by the one that flapped`;
}

async function amnesia(world) {
  const first = await openRegistry(world);
  const names = ["a", "b", "c"];
  const upstreams = await Promise.all(names.map((name) => world.upstreamProcess({ name })));
  const [a, b, c] = upstreams.map((upstream, index) => service(names[index], upstream.port));
  for (const each of [a, b]) mustEqual((await first.ask("POST", "/services", each)).status, 201, "a registration");
  const router = await openRouter(world, { url: first.url, grace: 0 });
  const counts = { a: 0, b: 0, c: 0 };
  const onAnswer = (text) => void counts[text]++;
  const load = startLoad(router.port, { clients: 8, path: "/good", onAnswer, pause: () => 1 });
  const both = async (when, more = 200) => {
    const { a: soFarA, b: soFarB } = counts;
    await until(() => counts.a > soFarA + more && counts.b > soFarB + more, `both serve ${when}`);
  };
  await both("at first");
  first.proxy.signal("SIGKILL");
  await first.proxy.exited;
  await router.line((line) => JSON.stringify(line).includes("no registry answers"), "the router tells that it is away");
  await both("without a registry");
  const second = await openRegistry(world, { port: first.proxy.port });
  mustEqual((await second.ask("GET", "/services")).value.total, 0, "the services that came back");
  await router.line((line) => JSON.stringify(line).includes("answers again"), "the router tells that it is back");
  await both("with an empty registry");
  for (const each of [a, b, c]) mustEqual((await second.ask("POST", "/services", each)).status, 201, "another one");
  await until(() => counts.c > 0, "the router has seen that they are back, and that there is another");
  await both("when they have come back");
  mustEqual((await second.ask("DELETE", "/services/b")).status, 200, "the leave of one");
  const gone = async () => {
    const { a: before, b: last } = counts;
    await until(() => counts.a > before + 100, "requests go on");
    return counts.b === last;
  };
  await until(gone, "only the others serve");
  const { sent, failed } = await load.stop();
  mustEqual(failed, [], "requests lost");
  return { kept: true, figure: `${sent} of ${sent} requests served; the one that left was taken out, no other` };
}

/** A registry as a process, and what asks it. */
export async function openRegistry(world, { port = 0, flags = [], ...options } = {}) {
  const settings = { prefix: "/registry", healthInterval: 0, ...options };
  const proxy = await world.proxy(undefined, { plugins: `all.registry(${JSON.stringify(settings)}),`, port, flags });
  await proxy.line(({ event }) => event === "ready", "the registry is ready");
  const agent = new Agent({ keepAlive: true });
  world.defer(() => agent.destroy());
  return {
    proxy,
    url: `http://127.0.0.1:${proxy.port}/registry`,
    ask: (method, path, body, headers) => send(proxy.port, { method, path, body, headers, agent }),
    /** The same from another address. */
    askFrom: (localAddress, method, path, body, headers) =>
      send(proxy.port, { method, path, body, headers, localAddress, agent: false }),
  };
}

export function openRouter(world, { flags = [], ...options }) {
  const settings = { interval: 100, timeout: 1_000, ...options };
  return world.proxy(undefined, { plugins: `all.registryTargets(${JSON.stringify(settings)}),`, flags });
}

/** A text is sent as it is, all else as JSON. */
export function send(port, { method, path, body, headers = {}, localAddress, agent }) {
  const text = typeof body === "string" ? body : JSON.stringify(body ?? {});
  const length = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  const options = { host: "127.0.0.1", port, method, path: `/registry${path}`, localAddress, agent };
  return new Promise((resolve, reject) => {
    const req = request({ ...options, headers: { ...length, ...headers } }, (res) => {
      let answer = "";
      res.setEncoding("utf8").on("data", (piece) => void (answer += piece));
      res.on("end", () => resolve({ status: res.statusCode, value: JSON.parse(answer) }));
    });
    req.on("error", reject).end(text);
  });
}

export function service(name, port, { host = "127.0.0.1", ...more } = {}) {
  const url = `http://${host}:${port}`;
  return { name, host, hostname: host, port, url, status: "running", metadata: { type: "openai-api" }, ...more };
}
