// The model server behind every proxy: raw sockets, one reply made beforehand, started by the bench with an IPC channel.
import { createServer } from "node:net";
import { HttpReader } from "./http-reader.mjs";
import { chatEvent, chatReply, eventSize, upstreamModel } from "./traffic.mjs";

const streamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n" +
    "server: bench\r\ntransfer-encoding: chunked\r\n\r\n",
);
const streamChunk = Buffer.from(`${eventSize.toString(16)}\r\n${chatEvent().toString()}\r\n`);
const reply = chatReply(1024);
const models = JSON.stringify({ object: "list", data: [{ id: upstreamModel, object: "model", owned_by: "bench" }] });
/** Above this a stream skips events rather than to pile them up before a proxy that does not keep pace. */
const mostQueued = 256 * 1024;
/** By milliseconds between two events: one list of sockets for each millisecond of that time. */
const wheels = new Map();
let openStreams = 0;
let slotOfNext = 0;

const ports = await Promise.all([listen(), listen()]);
process.on("message", () => process.send({ openStreams }));
process.on("disconnect", () => process.exit(0));
setInterval(turnWheels, 1);
process.send({ ports });

function listen() {
  return new Promise((resolve) => {
    const server = createServer({ noDelay: true }, serve);
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => resolve(server.address().port));
  });
}

function serve(socket) {
  let request = "";
  let bytes = 0;
  const reader = new HttpReader({
    head(text) {
      request = text;
      bytes = 0;
    },
    body(_buffer, from, to) {
      bytes += to - from;
    },
    end: () => answer(socket, request, bytes),
  });
  socket.on("data", (chunk) => reader.push(chunk, chunk.length));
  socket.on("error", () => socket.destroy());
}

function answer(socket, request, bytes) {
  const interval = /\r\nx-bench-stream: *(\d+)/i.exec(request);
  if (interval !== null) openStream(socket, Number(interval[1]));
  else if (request.startsWith("GET ")) socket.write(`${jsonHead(models.length, 0)}${models}`);
  else socket.write(Buffer.concat([Buffer.from(jsonHead(reply.length, bytes)), reply]));
}

/** `x-bench-bytes` tells the load how much of its request came through. */
function jsonHead(length, bytes) {
  return (
    `HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: bench\r\ncontent-type: application/json\r\n` +
    `content-length: ${length}\r\nx-bench-bytes: ${bytes}\r\n\r\n`
  );
}

function openStream(socket, interval) {
  const slots = wheels.get(interval) ?? newWheel(interval);
  const slot = slots.sockets[slotOfNext++ % interval];
  slot.add(socket);
  openStreams++;
  socket.once("close", () => {
    slot.delete(socket);
    openStreams--;
  });
  socket.cork();
  socket.write(streamHead);
  socket.write(streamChunk);
  socket.uncork();
}

function newWheel(interval) {
  const wheel = { sockets: Array.from({ length: interval }, () => new Set()), turned: Math.floor(performance.now()) };
  wheels.set(interval, wheel);
  return wheel;
}

/** One timer for all streams; what a late timer missed is caught up. */
function turnWheels() {
  const now = Math.floor(performance.now());
  for (const [interval, wheel] of wheels) {
    for (; wheel.turned < now; wheel.turned++) {
      for (const socket of wheel.sockets[wheel.turned % interval]) {
        if (socket.writableLength < mostQueued) socket.write(streamChunk);
      }
    }
  }
}
