import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A server of models that does as it is told. */
export interface ModelServer {
  readonly url: string;
  readonly requests: IncomingMessage[];
  /** What it serves from now on. */
  models: readonly string[];
  /** Answers in another way while it is set. */
  answer: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined;
  close(): void;
}

export async function openModelServer(...models: readonly string[]): Promise<ModelServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    const list = { object: "list", data: opened.models.map((id) => ({ id, object: "model" })) };
    if (opened.answer === undefined) response.end(JSON.stringify(list));
    else opened.answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const opened: ModelServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    models,
    answer: undefined,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return opened;
}

/** The same, closed with the test. */
export async function modelServer(...models: readonly string[]): Promise<ModelServer> {
  const server = await openModelServer(...models);
  onTestFinished(() => server.close());
  return server;
}
