import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

export const noon: number = Date.parse("2026-03-01T12:00:00Z");

/** Answers with a word and these headers, in turn; the last goes on. */
export function limited(
  word: string,
  ...heads: readonly (Record<string, string> & { status?: string })[]
): RequestListener {
  let answered = 0;
  return (_req, res) => {
    const { status = "200", ...headers } = heads[Math.min(answered++, heads.length - 1)] ?? {};
    res.writeHead(Number(status), { ...headers, date: new Date(noon).toUTCString() }).end(word);
  };
}

export const requests = (remaining: number, reset: string): Record<string, string> => ({
  "x-ratelimit-limit-requests": "100",
  "x-ratelimit-remaining-requests": `${remaining}`,
  "x-ratelimit-reset-requests": reset,
});

export interface Upstreams {
  readonly urls: readonly string[];
  /** Requests each of them got. */
  readonly hits: number[];
  close(): Promise<void>;
}

export async function listen(listeners: readonly RequestListener[]): Promise<Upstreams> {
  const hits = listeners.map(() => 0);
  const servers = listeners.map((listener, index) =>
    createServer((req, res) => {
      hits[index]! += 1;
      listener(req, res);
    }),
  );
  for (const server of servers) await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    urls: servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    hits,
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await once(server.close(), "close");
      }
    },
  };
}
