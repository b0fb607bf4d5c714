/** Lines joined by CRLF, an empty line, the body: exactly these bytes, nothing added. */
export function message(lines: readonly string[], body = ""): string {
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** A GET with a Host. */
export function get(path: string, ...headers: string[]): string {
  return message([`GET ${path} HTTP/1.1`, "Host: proxy.test", ...headers]);
}

/** A POST with a Host and a Content-Length. */
export function post(path: string, body: string, ...headers: string[]): string {
  return message([`POST ${path} HTTP/1.1`, "Host: proxy.test", `Content-Length: ${body.length}`, ...headers], body);
}

/** A POST with a Host and a chunked body; each of `chunks` is one chunk. */
export function postChunked(path: string, chunks: readonly string[], ...headers: string[]): string {
  const lines = [`POST ${path} HTTP/1.1`, "Host: proxy.test", "Transfer-Encoding: chunked", ...headers];
  return message(lines, chunks.map(chunk).join("") + lastChunk);
}

/** The start of a POST that announces `length` bytes and sends none of them yet. */
export function postHead(path: string, length: number, ...headers: string[]): string {
  return message([`POST ${path} HTTP/1.1`, "Host: proxy.test", `Content-Length: ${length}`, ...headers]);
}

/** A 200 with a Content-Length. */
export function ok(body = "ok", ...headers: string[]): string {
  return message(["HTTP/1.1 200 OK", `Content-Length: ${body.length}`, ...headers], body);
}

/** The head of a 200 with a chunked body. */
export function okChunked(...headers: string[]): string {
  return message(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", ...headers]);
}

/** The head of an event stream. */
export function okEvents(): string {
  return okChunked("Content-Type: text/event-stream");
}

export function chunk(data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`;
}

export const lastChunk = "0\r\n\r\n";

/** The headers of a WebSocket handshake but its key. */
export const upgradeHeaders: readonly string[] = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
];

export const webSocketKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/** A WebSocket handshake for `/socket`. */
export const handshake: string = get("/socket", ...upgradeHeaders, webSocketKey);

/** The upstream's consent to an upgrade. */
export function switching(protocol = "websocket"): string {
  return message([
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    `Upgrade: ${protocol}`,
    "Sec-WebSocket-Accept: a",
  ]);
}
