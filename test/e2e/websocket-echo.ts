import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { within } from "../wire/waiting.ts";

export interface EchoServer {
  readonly url: string;
  readonly server: WebSocketServer;
  /** Its connections, in the order in which they came. */
  readonly sockets: readonly Socket[];
  /** How each connection ended: the code, and 1006 where there was none. */
  readonly closes: readonly number[];
}

/** A WebSocket server that sends back what it gets. */
export async function echoServer(refuse?: () => boolean): Promise<EchoServer> {
  const sockets: Socket[] = [];
  const closes: number[] = [];
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    perMessageDeflate: true,
    ...(refuse && { verifyClient: (_info, callback) => callback(!refuse(), 429) }),
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  server.on("connection", (socket, request) => {
    sockets.push(request.socket);
    socket.on("message", (bytes: RawData, binary: boolean) => socket.send(bytes, { binary }));
    socket.on("close", (code) => void closes.push(code));
  });
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets, closes };
}

/** Of an http URL. */
export async function connect(
  url: string,
  protocols?: string[],
  options?: WebSocket.ClientOptions,
): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/realtime?model=any`, protocols, options);
  onTestFinished(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

export async function echo(socket: WebSocket, message: string | Buffer): Promise<string> {
  const answer = once(socket, "message");
  socket.send(message);
  const [bytes] = (await within(answer, "an answer comes")) as [Buffer];
  return bytes.toString();
}

/** The code of the Close frame; 1006 where there was none. */
export async function closeOf(socket: WebSocket): Promise<number> {
  const [code] = (await within(once(socket, "close"), "the WebSocket closes")) as [number];
  return code;
}
