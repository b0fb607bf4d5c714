// Clients of `npm run bench -- hold`: connections by plain sockets, each with one request.
import { connect } from "node:net";

const most = 200; // connecting at once
const mark = "@".charCodeAt(0);
const sockets = new Set();
const counts = { refused: 0, dropped: 0, events: 0, heads: 0 };
let leaving = false;

/** Opens `count` connections from addresses that begin at `from`, and asks for `path` on each. */
async function open({ count, ports, path, from }) {
  const slowest = [];
  let next = 0;
  const one = async () => {
    while (next < count) {
      const index = next++;
      const started = performance.now();
      await openOne(ports[index % ports.length], path, `127.0.0.${from + (index % 20)}`);
      slowest.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: most }, one));
  slowest.sort((a, b) => a - b);
  return { p99: slowest[Math.floor(slowest.length * 0.99)] ?? 0 };
}

/** Resolves when the head of the response is there. */
function openOne(port, path, localAddress) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
    let answered = false;
    const over = () => {
      if (!sockets.delete(socket) && !answered) counts.refused += 1;
      else if (!leaving) counts.dropped += 1;
      resolve();
    };
    socket.on("error", () => {});
    socket.once("close", over);
    socket.once("connect", () => socket.write(`GET ${path} HTTP/1.1\r\nHost: hold.test\r\n\r\n`));
    socket.on("data", (chunk) => {
      if (!answered) {
        answered = true;
        if (chunk.subarray(0, 12).toString("latin1") === "HTTP/1.1 200") counts.heads += 1;
        else counts.refused += 1;
        sockets.add(socket);
        resolve();
      }
      for (const byte of chunk) if (byte === mark) counts.events += 1;
    });
  });
}

process.on("message", async (message) => {
  if (message.do === "open") process.send(await open(message));
  else if (message.do === "count") process.send({ ...counts, open: sockets.size });
  else if (message.do === "leave") {
    leaving = true;
    const closed = [...sockets].map((socket) => new Promise((resolve) => void socket.once("close", resolve)));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
    leaving = false;
    process.send({ left: closed.length });
  }
});

process.send({ ready: true });
