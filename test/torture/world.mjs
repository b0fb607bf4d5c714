import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { faultInjector } from "./fault-injector.mjs";
import { startProxy } from "./proxy-process.mjs";
import { spawnUpstream } from "./upstream-process.mjs";
import { evilUpstream, get, rawClient, within } from "./wire.mjs";

/** What one row opens; `close` ends all of it. */
export function createWorld({ subject, full }) {
  const closing = [];
  const closed = (opened) => {
    closing.push(() => opened.close());
    return opened;
  };
  const world = {
    full,
    /** A scripted upstream in this process; what its script throws besides a cut connection is of no interest here. */
    upstream: async (script) => {
      const upstream = await evilUpstream(script);
      closing.push(() => upstream.close().catch(() => {}));
      return upstream;
    },
    /** One in a process of its own, to be killed. */
    upstreamProcess: async (options) => closed(await spawnUpstream(options)),
    injector: async (port, faults) => closed(await faultInjector(port, faults)),
    proxy: async (targets, options) => closed(await startProxy(subject, targets?.map(toTarget), options)),
    async client({ port }) {
      const client = await rawClient(port);
      closing.push(() => client.destroy());
      return client;
    },
    /** Sends these bytes on a connection of their own and reads one answer. */
    async exchange(proxy, bytes, to) {
      const client = await rawClient(proxy.port);
      try {
        void client.send(bytes);
        return await within(client.response(to), "an answer", 10_000);
      } finally {
        client.destroy();
      }
    },
    /** What the proxy answers there, as JSON. */
    async json(proxy, path) {
      return JSON.parse((await world.exchange(proxy, get(path))).text);
    },
    /** Waits until nothing is under way in the proxy but this question. */
    idle: (proxy, milliseconds) =>
      until(
        async () => (await world.json(proxy, "/stats")).active <= 1,
        "nothing under way in the proxy",
        milliseconds,
      ),
    /** An upstream and a proxy before it. */
    async pair(script, options) {
      const upstream = await world.upstream(script);
      return { upstream, proxy: await world.proxy([upstream], options) };
    },
    /** A file with this text; its path. */
    file(text) {
      const folder = mkdtempSync(join(tmpdir(), "plugboard-torture-"));
      closing.push(() => rmSync(folder, { recursive: true, force: true }));
      const path = join(folder, "file");
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    },
    freePort: closedPort,
    /** So many, each another one. */
    async freePorts(count) {
      const ports = new Set();
      while (ports.size < count) ports.add(await closedPort());
      return [...ports];
    },
    defer: (close) => void closing.push(close),
    async close() {
      for (const close of closing.toReversed()) await close();
    },
  };
  return world;
}

function toTarget({ url, ...rest }) {
  return { url, ...("target" in rest ? rest.target : {}) };
}

/** A port on which nobody listens. */
export async function closedPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether a connection is accepted. */
export async function accepts(port) {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Waits until it holds. */
export async function until(holds, what, milliseconds = 5_000) {
  const end = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
