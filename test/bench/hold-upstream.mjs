// An upstream of `npm run bench -- hold`: streams that say something when the parent wants them to.
import { createServer } from "node:http";

const event = "data: @ a token of an answer\n\n";
const streams = new Set();

const server = createServer({ keepAliveTimeout: 5_000 }, (req, res) => {
  req.resume();
  if (req.url !== "/stream") return void res.end("ok");
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  res.flushHeaders();
  streams.add(res);
  res.once("close", () => streams.delete(res));
});

process.on("message", (message) => {
  if (message.do === "broadcast") broadcast([...streams]);
  else process.send({ open: streams.size });
});

/** In slices, as tokens of many answers come: never all in one turn of the loop. */
function broadcast(left, sent = 0) {
  if (left.length === 0) return void process.send({ sent });
  for (const stream of left.splice(0, 500)) stream.write(event);
  setImmediate(broadcast, left, sent + 500);
}

server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => process.send({ port: server.address().port }));
