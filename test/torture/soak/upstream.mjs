// An upstream of the soak: /get and /post answer at once, /stream sends some events, /long one a second for ever. A share of
// the answers, its argument, breaks: the head does not come, or the stream ends before its end.
import { createServer } from "node:net";
import { HttpReader } from "../../bench/http-reader.mjs";

const faults = Number(process.argv[2]);
const answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const event = 'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}\n\n';
const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;
const events = 20;
const broken = { get: 0, post: 0, stream: 0 };
const long = new Set();
/** Streams with the events that each has still to send, and whether it breaks. */
const streams = new Map();

const server = createServer({ noDelay: true }, (socket) => {
  let path = "";
  socket.on("error", () => {}); // Clients leave; that is what they are for here.
  socket.once("close", () => {
    long.delete(socket);
    streams.delete(socket);
  });
  const reader = new HttpReader({
    head: (text) => void (path = text.slice(text.indexOf("/") + 1, text.indexOf(" HTTP/"))),
    body() {},
    end: () => reply(socket, path),
  });
  socket.on("data", (bytes) => reader.push(bytes, bytes.length));
});

function reply(socket, kind) {
  const breaks = kind in broken && Math.random() < faults;
  if (breaks) broken[kind]++;
  if (kind === "long") {
    socket.write(streamHead + chunk);
    long.add(socket);
  } else if (kind === "stream") {
    socket.write(streamHead);
    streams.set(socket, { left: events, breaks });
  } else if (breaks) socket.resetAndDestroy();
  else socket.write(answer);
}

setInterval(() => {
  for (const [socket, stream] of streams) {
    stream.left--;
    if (stream.breaks && stream.left < events / 2) {
      streams.delete(socket);
      socket.destroy();
    } else if (stream.left > 0) socket.write(chunk);
    else {
      streams.delete(socket);
      socket.write(`${chunk}0\r\n\r\n`);
    }
  }
}, 5);
setInterval(() => {
  for (const socket of long) socket.write(chunk);
}, 1_000);

process.on("message", () => process.send({ broken }));
process.on("disconnect", () => process.exit(0));
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => process.send({ port: server.address().port }));
