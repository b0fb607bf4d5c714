import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished, test } from "vitest";
import { within } from "../wire/waiting.ts";
import { reset } from "./reset.ts";

/** The far end of a connection. */
async function openSocket(): Promise<Socket> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  onTestFinished(() => void listener.close());
  await once(listener, "listening");
  const client = connect({ port: (listener.address() as AddressInfo).port, host: "127.0.0.1" });
  onTestFinished(() => void client.destroy());
  client.on("error", () => undefined); // The reset.
  const [socket] = (await once(listener, "connection")) as [Socket];
  return socket;
}

test.each<[string, (socket: Socket) => unknown]>([
  ["is open", () => undefined],
  ["sends its FIN", (socket) => socket.end()],
  ["has sent its FIN", (socket) => once(socket.end(), "finish")],
])("a connection that %s is reset and closed", async (_, prepare) => {
  const socket = await openSocket();
  const closed = once(socket, "close");
  await prepare(socket);
  reset(socket);
  await within(closed, "the close");
});
