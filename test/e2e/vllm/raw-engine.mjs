#!/usr/bin/env node
// An engine that shows what it was sent, byte by byte, and answers as the path says: raw-engine.mjs ... --port N
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

const port = Number(process.argv[process.argv.indexOf("--port") + 1]);
const packed = gzipSync("packed");

createServer((request, response) => {
  const { url, socket } = request;
  if (url === "/health") response.end();
  else if (url.endsWith("/reset")) socket.resetAndDestroy();
  else if (url.endsWith("/packed")) answerPacked(response);
  else void echo(request, response);
}).listen(port, "127.0.0.1");

function answerPacked(response) {
  const headers = { "content-encoding": "gzip", "content-length": packed.length, "keep-alive": "timeout=7" };
  response.writeHead(203, { ...headers, connection: "close, x-hop", "x-hop": "1" }).end(packed);
}

async function echo(request, response) {
  const { method, url, rawHeaders } = request;
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ method, url, headers: rawHeaders, body: Buffer.concat(pieces).toString("hex") }));
}
