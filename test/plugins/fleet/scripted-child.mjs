// A backend that misbehaves as its arguments say: node scripted-child.mjs --port 8000 [--models a,b] [--delay ms] ...
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string", default: process.env.PORT ?? "0" },
    host: { type: "string", default: "127.0.0.1" },
    models: { type: "string" },
    /** Milliseconds before it listens. */
    delay: { type: "string", default: "0" },
    /** Ends at once, with that code. */
    exit: { type: "string" },
    "ignore-term": { type: "boolean", default: false },
    /** Starts a process that ignores SIGTERM and outlives it. */
    grandchild: { type: "boolean", default: false },
    /** Does nothing but write. */
    flood: { type: "boolean", default: false },
    /** Writes that, with escapes of JSON. */
    say: { type: "string", multiple: true, default: [] },
    "never-listen": { type: "boolean", default: false },
  },
});

if (values["ignore-term"]) process.on("SIGTERM", () => console.log("SIGTERM is ignored"));
for (const text of values.say) process.stdout.write(JSON.parse(`"${text}"`));

if (values.exit !== undefined) {
  console.error("about to end");
  process.exitCode = Number(values.exit);
} else if (values.flood) flood();
else if (values["never-listen"]) setInterval(() => {}, 1_000);
else setTimeout(listen, Number(values.delay));

let models = values.models?.split(",");
let mode = "ok";
const grandchild = values.grandchild ? startGrandchild() : undefined;

function startGrandchild() {
  const source = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
  return spawn(process.execPath, ["--eval", source], { stdio: ["ignore", "inherit", "inherit"] });
}

function flood() {
  const lines = Array.from({ length: 10_000 }, (_, index) => `${index} ${"x".repeat(94)}\n`);
  const block = Buffer.from(lines.join(""));
  const more = () => {
    while (process.stdout.write(block));
    process.stdout.once("drain", more);
  };
  more();
}

function listen() {
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url, "http://child");
    if (pathname === "/exit") process.exit(Number(searchParams.get("code") ?? 1));
    if (pathname === "/mode") mode = searchParams.get("to");
    else if (pathname === "/have") models = searchParams.get("models").split(",");
    else if (mode === "hang") return;
    else if (mode === "fail") return void res.writeHead(500).end();
    else if (pathname === "/v1/models" && models !== undefined)
      return send(res, { object: "list", data: models.map((id) => ({ id, object: "model", owned_by: "child" })) });
    else if (pathname === "/self")
      return send(res, {
        pid: process.pid,
        grandchild: grandchild?.pid,
        positionals,
        env: process.env,
        cwd: process.cwd(),
      });
    else if (pathname === "/slow") return void setTimeout(() => res.end("slow"), Number(searchParams.get("ms")));
    else if (pathname !== "/chat") return void res.writeHead(404).end();
    res.end("done");
  });
  server.on("error", (error) => {
    console.error(String(error));
    process.exit(98);
  });
  server.listen(Number(values.port), values.host);
}

function send(res, body) {
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
