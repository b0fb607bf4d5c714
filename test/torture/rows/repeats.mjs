import { startLoad } from "../load.mjs";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok, post, within } from "../wire.mjs";
import { closedPort } from "../world.mjs";

/** Section E of the promises: what is asked again, and what is not. */
export const repeats = [
  {
    id: "E4",
    promise: "A kept connection that its upstream closes costs no GET, and no POST in time",
    run: kept,
    naive: false,
  },
  {
    id: "E8",
    promise: "429 and 503 pass as they are, and go to another target when that is asked for",
    run: busy,
    naive: false,
  },
  {
    id: "E10",
    promise: "Retries add a fifth to what clients ask for at most, however many fail",
    run: storm,
    naive: false,
  },
];

async function kept(world) {
  const cases = createCases();
  await cases.try("closed at the second request", () => closedAtSecond(world));
  const posts = world.full ? 10_000 : 2_000;
  let closed = 0;
  const upstream = await world.upstream(async (peer) => {
    const idle = setTimeout(() => void peer.close(closed++), 500);
    peer.ending.then(() => clearTimeout(idle));
    for (;;) {
      await peer.request();
      await peer.write(ok());
      idle.refresh();
    }
  });
  const proxy = await world.proxy([{ url: upstream.url, target: { keepAlive: 200 } }]);
  const clients = 100;
  const pause = () => 50 + Math.random() * 550;
  const load = startLoad(proxy.port, { clients, method: "POST", pause, count: posts });
  await cases.try("POSTs at any time", async () => {
    const { sent, failed } = await load.done();
    mustEqual(failed.slice(0, 3), [], `of ${sent} POSTs the first of ${failed.length} lost`);
  });
  return cases.verdict(
    `kept; ${posts} POSTs, each 50 to 600 ms after the last, to an upstream that closes after 500 ms`,
  );
}

async function closedAtSecond(world) {
  const closing = await world.upstream(async (peer) => {
    await peer.request();
    await peer.write(ok("first"));
    await peer.request();
    await peer.reset();
  });
  const good = await world.upstream(answering(ok("good")));
  const proxy = await world.proxy([closing, good]);
  for (let index = 0; index < 40; index++)
    mustEqual((await world.exchange(proxy, get("/"))).status, 200, `the status of GET ${index}`);
  must(closing.requests.length > closing.peers.length, "no connection was used twice");
}

async function busy(world) {
  const cases = createCases();
  for (const status of [429, 503]) {
    const refusing = await world.upstream(
      answering(message([`HTTP/1.1 ${status} Busy`, "Retry-After: 7", "Content-Length: 4"], "busy")),
    );
    const good = await world.upstream(answering((request) => ok(request.text)));
    await cases.try(`${status} as it is`, async () => {
      const response = await world.exchange(await world.proxy([refusing]), post("/", "hello"));
      mustEqual([response.status, response.get("retry-after"), response.text], [status, "7", "busy"], "the answer");
      mustEqual(refusing.requests.length, 1, "the number of requests upstream");
    });
    await cases.try(`${status} goes elsewhere`, async () => {
      const proxy = await world.proxy([refusing, good], {
        retry: { on: ["status"], statuses: [status] },
        plugins: needsBody,
      });
      for (let index = 0; index < 6; index++) {
        const { status: told, text } = await world.exchange(proxy, post("/", "hello"));
        mustEqual([told, text], [200, "hello"], `answer ${index}`);
      }
    });
    await cases.try(`${status} of the last`, async () => {
      const gone = { url: `http://127.0.0.1:${await closedPort()}` };
      const proxy = await world.proxy([refusing, gone], { retry: { on: ["connect", "status"], statuses: [status] } });
      for (let index = 0; index < 4; index++) {
        const response = await within(world.exchange(proxy, get("/")), "an answer");
        must([status, 502].includes(response.status), `was answered with ${response.status}`);
      }
    });
  }
  return cases.verdict("refusals are met as the config says");
}

/** A body can be sent again only where it is whole. */
const needsBody = 'definePlugin({ name: "whole-bodies", setup: (proxy) => void proxy.needs({ body: 1_000 }) })(),';

async function storm(world) {
  const cases = createCases();
  const figures = [];
  const count = world.full ? 20_000 : 4_000;
  for (const [name, working] of [
    ["one of two fails", 1],
    ["both fail", 0],
  ]) {
    await cases.try(name, async () => {
      const failing = async (peer) => {
        await peer.request();
        await peer.reset();
      };
      const upstreams = [await world.upstream(failing), await world.upstream(working ? answering(ok()) : failing)];
      const proxy = await world.proxy(upstreams);
      const load = startLoad(proxy.port, { clients: 50, count });
      const { failed } = await load.done();
      const attempts = upstreams.reduce((sum, { requests }) => sum + requests.length, 0);
      const share = attempts / count;
      figures.push(`${share.toFixed(2)} attempts per request, ${failed.length} of ${count} told 502`);
      must(share <= 1.2 + 100 / count, `there were ${attempts} attempts for ${count} requests`);
    });
  }
  return cases.verdict(`outages add no load (${figures.join("; ")})`);
}
