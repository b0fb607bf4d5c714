import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface ObservedUpstream {
  readonly url: string;
  close(): void;
}

type Page = (response: ServerResponse, request: IncomingMessage) => unknown;

const pages: Readonly<Record<string, Page>> = {
  "/json": (response) => {
    const headers = { "content-type": "application/json", etag: '"1"', "set-cookie": ["id=canary-of-a-cookie", "b=2"] };
    response.writeHead(200, headers).end('{"text":"canary-of-an-answer"}');
  },
  "/empty": (response) => response.writeHead(204).end(),
  "/error": (response) => response.writeHead(500, { "retry-after": "7" }).end("oops"),
  "/stream": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n", () => response.end('data: {"usage":{"prompt_tokens":1}}\n\n'));
  },
  "/cut": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n", () => response.socket?.destroySoon());
  },
  "/hang": (response) => response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n"),
  "/echo": (response, request) => request.pipe(response.writeHead(201)),
};

/** Opens an upstream whose answers are of every kind, whole and cut. */
export async function observedUpstream(): Promise<ObservedUpstream> {
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url ?? "/", "http://upstream").pathname];
    if (page === undefined) response.writeHead(404).end("no such page");
    else page(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
