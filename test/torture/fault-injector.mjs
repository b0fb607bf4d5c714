import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * A TCP relay to `port` that spoils what passes from there to the client. Its faults, after Toxiproxy's toxics, can be
 * changed while it runs and hold for each piece that passes from then on: `latency` in milliseconds, `bandwidth` in bytes
 * per second, `slice` in bytes per piece, `limit` in bytes after which it closes, `resetAfter` in bytes after which it
 * resets.
 */
export async function faultInjector(port, faults = {}) {
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // A reset is what this tool is about; "close" follows.
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    keep(client);
    client.pause();
    const upstream = keep(connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true }));
    client.pipe(upstream);
    client.once("close", () => upstream.destroy());
    void passOn(upstream, client, faults);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    url: `http://127.0.0.1:${server.address().port}`,
    faults,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function passOn(from, to, faults) {
  let passed = 0;
  try {
    for await (const bytes of from) {
      for (const piece of slices(bytes, faults.slice)) {
        await hold(piece, faults);
        const left = Math.min(faults.limit ?? Infinity, faults.resetAfter ?? Infinity) - passed;
        passed += piece.length;
        if (!to.write(piece.subarray(0, Math.max(0, left))) && !to.destroyed) await once(to, "drain");
        if (left > piece.length) continue;
        cut(to, faults);
        return;
      }
    }
    to.end();
  } catch {
    to.resetAndDestroy(); // The upstream reset the connection, so the client sees one too.
  }
}

async function hold(piece, { latency = 0, bandwidth = Infinity }) {
  const ms = latency + (1_000 * piece.length) / bandwidth;
  if (ms > 0) await delay(ms);
}

function cut(socket, { resetAfter }) {
  if (resetAfter === undefined) socket.destroySoon();
  else setTimeout(() => socket.resetAndDestroy(), 5); // At once it would take back what was just written.
}

function* slices(bytes, size = bytes.length) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
