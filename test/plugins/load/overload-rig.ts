import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export interface Asked {
  readonly status: number | undefined;
  readonly code: unknown;
  readonly connection: unknown;
  readonly retryAfter: number;
  readonly body: string;
}

export type Ask = (path: string, headers?: Readonly<Record<string, string>>) => Promise<Asked>;

/** Asks over connections that are kept. */
export function asking(port: number): Ask {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  return async (path, headers = {}) => {
    const asked = get({ port, host: "127.0.0.1", path, headers, agent });
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return {
      status: response.statusCode,
      code: response.headers["x-proxy-error"],
      connection: response.headers.connection,
      retryAfter: Number(response.headers["retry-after"]),
      body: await text(response),
    };
  };
}

export const matching = (lines: readonly string[], part: string): string[] =>
  lines.filter((line) => line.includes(part));
