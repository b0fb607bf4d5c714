// Plays ten thousand services and their babysitters for the bench of the registry, and a client of the router.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";

const [, , registry] = process.argv;
const dispatcher = new Agent({ connections: 32, pipelining: 1, keepAliveTimeout: 30_000 });
const json = { "content-type": "application/json" };
const count = { sent: 0, failed: 0 };
const names = [];
let port = 0;
let turn = 0;

// All of 127.0.0.0/8 is this machine: each service has an address of its own, and one server stands behind all.
const answer = (_req, res) => res.setHeader("content-type", "application/json").end('{"status":"ok"}');
const service = createServer({ keepAlive: true }, answer);
const babysitter = createServer({ keepAlive: true }, answer);

async function listen() {
  for (;;) {
    await new Promise((resolve) => service.listen(0, "0.0.0.0", resolve));
    ({ port } = service.address());
    const free = await new Promise((resolve) => {
      babysitter.once("error", () => resolve(false));
      babysitter.listen(port + 1, "0.0.0.0", () => resolve(true));
    });
    if (free) return;
    await new Promise((resolve) => service.close(resolve));
  }
}

async function send(method, path, body, headers) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answered = await request(`${registry}${path}`, {
    dispatcher,
    method,
    headers: { ...json, ...headers },
    ...sent,
  });
  const text = await answered.body.text();
  return { status: answered.statusCode, text };
}

function entry(name, index, models) {
  const host = `127.${1 + (index >> 14)}.${(index >> 7) & 127}.${1 + (index & 127)}`;
  const metadata = { type: "openai-api", models };
  const url = `http://${host}:${port}`;
  return { name, host, hostname: host, port, url, status: "running", metadata, lease_id: `lease-of-${name}` };
}

async function register(name, index, models) {
  const { status, text } = await send("POST", "/services", entry(name, index, models));
  if (status !== 201) throw new Error(`registration of ${name}: ${status} ${text}`);
}

async function registerAll(total) {
  await listen();
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < total; index = next++) {
      names.push(`service-${index}`);
      await register(`service-${index}`, index, [`model-${index % 100}`]);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

/** Evenly: so many each 20 ms, all of them in `every` ms. */
function beatAll(every) {
  const started = performance.now();
  let done = 0;
  setInterval(() => {
    const due = ((performance.now() - started) / every) * names.length;
    for (; done < due; done++) void beatOne(names[turn++ % names.length]);
  }, 20);
}

async function beatOne(name) {
  count.sent += 1;
  try {
    const { status } = await send("POST", `/services/${name}/heartbeat`, undefined, {
      "x-lease-id": `lease-of-${name}`,
    });
    if (status !== 200) count.failed += 1;
  } catch {
    count.failed += 1;
  }
}

/** Milliseconds until a client of the router gets an answer from a new service, and until it gets none any more. */
async function change(name, router) {
  const came = performance.now();
  await register(name, names.length, [name]);
  await until(router, name, 200);
  const come = performance.now() - came;
  const left = performance.now();
  await send("DELETE", `/services/${name}`, undefined, { "x-lease-id": `lease-of-${name}` });
  await until(router, name, 503);
  return { come, go: performance.now() - left };
}

async function until(router, model, wanted) {
  const body = JSON.stringify({ model, messages: [] });
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await sleep(1)) {
    const answered = await request(`${router}/v1/chat/completions`, { method: "POST", headers: json, body });
    await answered.body.dump();
    if (answered.statusCode === wanted) return;
  }
  throw new Error(`the router never answered ${wanted} for ${model}`);
}

const tasks = {
  register: (message) => registerAll(message.count),
  beat: ({ every }) => beatAll(every),
  count: () => count,
  change: (message) => change(message.name, message.router),
};

process.on("message", async (message) => {
  process.send((await tasks[message.do](message)) ?? {});
});
