// Stands in for vLLM: node inference-engine.mjs serve MODEL --dtype D --host H --port P [--play what ...]
// --play on device 1: exit | silent | unhealthy | stubborn; without a device on all.
import { createServer } from "node:http";

const args = process.argv.slice(2);
const valueOf = (name) => args[args.indexOf(name) + 1];
const plays = args.flatMap((arg, index) => (arg === "--play" ? [args[index + 1].split("@")] : []));
const device = process.env.CUDA_VISIBLE_DEVICES ?? "none";
const has = (what) => plays.some(([play, on = device]) => play === what && on === device);
const held = new Set();
let healthy = !has("unhealthy");

if (has("stubborn")) process.on("SIGTERM", () => console.log("SIGTERM is ignored"));
process.on("SIGINT", () => (console.log("SIGINT came"), process.exit(0)));
if (has("exit")) {
  console.error("no such model");
  process.exit(3);
} else if (has("silent")) setInterval(() => {}, 1_000);
else listen();

function listen() {
  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url, "http://engine");
    if (pathname === "/health") return void res.writeHead(healthy ? 200 : 503).end();
    if (pathname === "/v1/models") return send(res, { object: "list", data: [{ id: args[1], object: "model" }] });
    if (pathname === "/v1/self") return send(res, { pid: process.pid, args, device, port: valueOf("--port") });
    if (pathname === "/v1/stream") {
      held.add(res);
      return void res.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
    }
    if (pathname === "/finish") for (const stream of held) stream.end("data: last\n\n");
    else if (pathname === "/heal") healthy = true;
    else if (pathname === "/sicken") healthy = false;
    else if (pathname === "/die") process.exit(7);
    else return void res.writeHead(404).end();
    res.end("done");
  });
  server.on("error", (error) => (console.error(String(error)), process.exit(98)));
  server.listen(Number(valueOf("--port")), valueOf("--host"));
}

function send(res, body) {
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
