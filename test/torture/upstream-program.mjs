// An upstream to be killed: /stream says its name and goes on for ever, all else answers at once with its name.
import { createServer } from "node:http";

const [port, name, backlog] = process.argv.slice(2);
const streams = new Set();
const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  res.on("error", () => {}); // A client that left is no news here.
  if (req.url === "/stream") {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(`data: ${name}\n\n`);
    streams.add(res);
    res.once("close", () => streams.delete(res));
    return;
  }
  req.resume().once("end", () => res.end(name));
});
setInterval(() => {
  for (const res of streams) res.write(`data: ${name}\n\n`);
}, 100);
// A restart that is announced: the answers under way are sent, and idle connections closed.
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  setTimeout(() => process.exit(0), 1_000).unref();
});
server.listen(Number(port), "127.0.0.1", Number(backlog), () => process.stdout.write(`${server.address().port}\n`));
