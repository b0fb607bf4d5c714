import { startLoad } from "../load.mjs";
import { megabytes, must, mustEqual } from "../verdict.mjs";
import { get, post, within } from "../wire.mjs";
import { until } from "../world.mjs";

/** Section I of the promises: much of what costs the sender little. */
export const floods = [
  {
    id: "I8",
    promise: "Names that clients make up do not grow what is counted, kept or logged",
    run: names,
    naive: false,
  },
  {
    id: "I9",
    promise: "A flood of registrations is refused at the limit, and requests are served on",
    run: registrations,
    naive: false,
  },
];

async function names(world) {
  const count = world.full ? 200_000 : 10_000;
  const upstream = await world.upstreamProcess();
  const proxy = await world.proxy([upstream], {
    plugins: "all.model(),",
    stdout: "unread",
    port: await world.freePort(),
  });
  await until(
    () =>
      world.exchange(proxy, get("/health")).then(
        ({ status }) => status === 200,
        () => false,
      ),
    "it is ready",
    10_000,
  );
  const send = async (prefix) => {
    const clients = Array.from({ length: 20 }, async (_, own) => {
      const client = await world.client(proxy);
      for (let index = own; index < count; index += 20) {
        await client.send(
          post(
            `/${prefix}/${index}`,
            JSON.stringify({ model: `${prefix}-${index}` }),
            "Content-Type: application/json",
          ),
        );
        await client.response();
      }
      client.destroy();
    });
    await Promise.all(clients);
    return { memory: proxy.memory(), bytes: JSON.stringify(await world.json(proxy, "/stats")).length };
  };
  const first = await send("a");
  const second = await send("b");
  must(second.bytes < 500_000, `/stats has ${second.bytes} bytes`);
  must(second.bytes < first.bytes * 1.2, `/stats went from ${first.bytes} to ${second.bytes} bytes`);
  must(second.memory - first.memory < 48 * 2 ** 20, `memory grew by ${megabytes(second.memory - first.memory)}`);
  return {
    kept: true,
    figure: `/stats has ${second.bytes} bytes after ${2 * count} models and paths; memory ${megabytes(second.memory - first.memory)} more than after half of them`,
  };
}

async function registrations(world) {
  const entries = 500;
  const count = 3_000;
  const upstream = await world.upstreamProcess();
  const proxy = await world.proxy([upstream], {
    plugins: `all.registry({ prefix: "/registry", healthInterval: 0, limits: { entries: ${entries}, writes: 1_000_000 } }),`,
  });
  const load = startLoad(proxy.port, { clients: 5, path: "/good" });
  const statuses = new Map();
  let sent = 0;
  const client = async () => {
    const own = await world.client(proxy);
    while (sent < count) {
      const name = `flood-${sent++}`;
      const body = JSON.stringify({
        name,
        host: "127.0.0.1",
        hostname: "127.0.0.1",
        port: 10_000 + (sent % 50_000),
        url: `http://127.0.0.1:${10_000 + (sent % 50_000)}`,
        status: "running",
      });
      await own.send(post("/registry/services", body, "Content-Type: application/json"));
      const { status } = await within(own.response(), "an answer");
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 10 }, client));
  const { sent: served, failed } = await load.stop();
  const taken = (statuses.get(200) ?? 0) + (statuses.get(201) ?? 0);
  const told = [...statuses].map(([status, times]) => `${status}: ${times}`).join(", ");
  mustEqual([taken, failed.length], [entries, 0], `registrations taken (${told}) and requests lost meanwhile`);
  return { kept: true, figure: `${told}; ${served} of ${served} other requests served` };
}
