import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { findExecutable, spawnOn } from "./machine.mjs";

const folder = new URL(".", import.meta.url).pathname;

/**
 * Every proxy of the bench. `rewrites`: it builds the answer anew, so only status and rough size are checked;
 * `streams: false`: not part of the streaming scenarios.
 */
export const subjects = [
  { name: "pipe", start: node("pipe.mjs") },
  { name: "plugboard", start: node("subjects/plugboard.mjs", "static") },
  { name: "plugboard-llm", start: node("subjects/plugboard.mjs", "llm") },
  { name: "http-proxy-3", peer: true, start: node("subjects/http-proxy-3.mjs") },
  { name: "httpxy", peer: true, start: node("subjects/httpxy.mjs") },
  { name: "fastify", peer: true, start: node("subjects/fastify.mjs") },
  {
    name: "portkey",
    peer: true,
    rewrites: true,
    streams: false,
    start: node("subjects/portkey.mjs"),
    headers: (targets) => ({ "x-portkey-provider": "openai", "x-portkey-custom-host": `${targets[0]}/v1` }),
  },
  { name: "nginx", executable: "nginx", start: startNginx },
  { name: "haproxy", executable: "haproxy", start: startHaproxy },
];

/** A subject that is a Node program of ours. */
function node(file, variant = "-") {
  return async ({ targets, cores, nodeOptions = [] }) => {
    const args = [...nodeOptions, join(folder, file), variant, ...targets];
    const child = spawnOn(cores, process.execPath, args, {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, NODE_ENV: "production" },
    });
    const port = await new Promise((resolve, reject) => {
      let errors = "";
      child.stderr.on("data", (chunk) => (errors += chunk));
      child.on("message", (message) => resolve(message.port));
      child.on("exit", () => reject(new Error(`it ended before it listened:\n${errors.trim().slice(0, 2000)}`)));
    });
    return { port, pid: child.pid, stop: () => stop(child, "SIGKILL") };
  };
}

async function startNginx({ targets, cores, scratch }) {
  const port = await freePort();
  const config = join(scratch, "nginx.conf");
  writeFileSync(config, nginxConfig(port, targets, scratch));
  return startProgram("nginx", ["-e", "stderr", "-p", scratch, "-c", config], { port, cores });
}

async function startHaproxy({ targets, cores, scratch }) {
  const port = await freePort();
  const config = join(scratch, "haproxy.cfg");
  writeFileSync(config, haproxyConfig(port, targets));
  return startProgram("haproxy", ["-db", "-q", "-f", config], { port, cores });
}

async function startProgram(name, args, { port, cores }) {
  const child = spawnOn(cores, findExecutable(name), args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`it ended before it listened:\n${errors.trim().slice(0, 2000)}`);
  }
  return { port, pid: child.pid, stop: () => stop(child, "SIGTERM") };
}

function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill(signal);
  });
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Whether something listens there; tells after a moment when nothing does. */
export function accepts(port, pause = 20) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => setTimeout(resolve, pause, false));
  });
}

/** One process, upstream connections kept, answers passed on as they come, as one would set it up before models. */
function nginxConfig(port, targets, scratch) {
  const servers = targets.map((url) => `server ${new URL(url).host};`).join(" ");
  return `daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384;
pid ${scratch}/nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 100m; client_body_buffer_size 1m;
  client_body_temp_path ${scratch}/nginx-body; proxy_temp_path ${scratch}/nginx-proxy;
  fastcgi_temp_path ${scratch}/nginx-f; uwsgi_temp_path ${scratch}/nginx-u; scgi_temp_path ${scratch}/nginx-s;
  upstream models { ${servers} keepalive 4096; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 300s;
    }
  }
}
`;
}

function haproxyConfig(port, targets) {
  const servers = targets.map((url, index) => `  server s${index} ${new URL(url).host} pool-max-conn -1`).join("\n");
  return `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 60s
  timeout server 300s
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend models
backend models
  balance roundrobin
  http-reuse always
${servers}
`;
}
