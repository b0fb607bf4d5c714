import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { definePlugin, type Plugin } from "../plugin.ts";
import { createQuietProxy } from "./quiet-proxy.ts";
import { within } from "./within.ts";

/** How the upstream's side ends: with the last chunk of the coding, a FIN without it, or an RST. */
export type StreamEnd = "whole" | "close" | "reset";

/** What a client receives, head and framing included, of a stream that an upstream sends chunk by chunk. */
export async function streamThrough(plugin: Plugin, chunks: readonly string[], end: StreamEnd): Promise<string> {
  const upstream = await open(
    createServer((socket) => void socket.once("data", () => void serve(socket, chunks, end))),
  );
  const targets = definePlugin({
    name: "suite-targets",
    setup(proxy) {
      proxy.provide("discovery", "suite-targets", { start: (sink) => sink.replace([{ url: upstream.url }]) });
    },
  });
  const proxy = await createQuietProxy({ plugins: [targets(), plugin] });
  try {
    const { port } = await proxy.listen();
    return await within(receive(port), "the end of the stream");
  } finally {
    await proxy.close({ deadline: 0 });
    upstream.server.close();
  }
}

async function serve(socket: Socket, chunks: readonly string[], end: StreamEnd): Promise<void> {
  socket.on("error", () => undefined); // The proxy hanging up is seen by the client.
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
  await write(socket, head);
  for (const chunk of chunks) await write(socket, `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`);
  if (end === "whole") await write(socket, "0\r\n\r\n");
  else if (end === "close") socket.end();
  // An RST takes back what the other side has not read yet.
  else setTimeout(() => socket.resetAndDestroy(), 10);
}

function write(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => void socket.write(text, () => resolve()));
}

/** Until the connection is gone, the last chunk of the coding is there, or all of an answer that says how long it is. */
function receive(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const pieces: Buffer[] = [];
  const text = (): string => Buffer.concat(pieces).toString();
  socket.write("GET /stream HTTP/1.1\r\nhost: proxy\r\n\r\n");
  return new Promise((resolve) => {
    socket.on("data", (piece) => {
      pieces.push(piece);
      if (text().endsWith("\r\n0\r\n\r\n") || isWhole(text())) socket.destroy();
    });
    socket.on("error", () => undefined); // A reset is one way to be cut.
    socket.once("close", () => resolve(text()));
  });
}

async function open(server: Server): Promise<{ readonly server: Server; readonly url: string }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}` };
}

function isWhole(answer: string): boolean {
  const [, head = "", length] = /^([^]*?\r\ncontent-length: (\d+)\r\n[^]*?\r\n\r\n)/i.exec(answer) ?? [];
  return length !== undefined && answer.length >= head.length + Number(length);
}
