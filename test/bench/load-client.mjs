import { connect } from "node:net";
import { HttpReader } from "./http-reader.mjs";
import { path } from "./traffic.mjs";

/** One request as bytes, head and body. */
export function requestBytes(port, body, headers) {
  const lines = Object.entries({
    host: `127.0.0.1:${port}`,
    "user-agent": "bench/1.0",
    accept: "application/json",
    authorization: "Bearer bench-0123456789",
    "content-type": "application/json",
    ...headers,
    "content-length": body.length,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}

/**
 * Opens a connection whose messages go to `events`, those of HttpReader and `fail(reason)`.
 * @returns {Promise<import("node:net").Socket>}
 */
export function openClient(port, events) {
  const reader = new HttpReader(events);
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        // One buffer for the life of the connection: the reader keeps nothing of it.
        buffer: Buffer.allocUnsafe(16 * 1024),
        callback(length, buffer) {
          reader.push(buffer, length);
          return true;
        },
      },
    });
    socket.once("connect", () => resolve(socket));
    socket.on("error", (error) => {
      reject(error);
      events.fail(error.message);
    });
    socket.on("close", () => events.fail("the proxy closed the connection"));
  });
}

/** The status of a response head; a message of what is wrong with it unless it is 200. */
export function checkStatus(head) {
  const status = Number(head.slice(9, 12));
  return status === 200 ? undefined : `status ${status} instead of 200`;
}

export function seconds(count) {
  return new Promise((resolve) => {
    setTimeout(resolve, count * 1000);
  });
}
