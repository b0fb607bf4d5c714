import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export type StubEntry = Readonly<Record<string, unknown>> & { readonly name: string };

/** An entry as a registry lists it: healthy, and of the type that is looked for. */
export function entry(name: string, fields: Readonly<Record<string, unknown>> = {}): StubEntry {
  return {
    name,
    host: "127.0.0.1",
    port: 9,
    hostname: "box",
    url: `http://127.0.0.1:9/${name}`,
    status: "running",
    timestamp: "2026-01-01T00:00:00Z",
    last_heartbeat: 1_767_225_600.5,
    health_status: "unknown",
    is_healthy: true,
    metadata: { type: "openai-api", models: ["m"] },
    weight: 1,
    lease: 120,
    ...fields,
  };
}

export interface StubOptions {
  /** Null: the registry that came before, without epochs, ETags and streams. @default "e1" */
  readonly epoch?: string | null;
}

/** A registry that does as a test tells it. */
export interface StubRegistry {
  readonly url: string;
  /** Paths with their queries, of all requests so far. */
  readonly asked: readonly string[];
  readonly requests: readonly IncomingMessage[];
  /** Answers with 304. */
  readonly unchanged: number;
  /** Streams that are open. */
  readonly watchers: number;
  /** Registers or changes services, and tells those who watch. */
  put(...entries: readonly StubEntry[]): void;
  /** Deregisters services, and tells those who watch. */
  remove(...names: readonly string[]): void;
  /** Has other services than before, and tells nobody; as another epoch, if one is given. */
  begin(entries: readonly StubEntry[], epoch?: string): void;
  /** Writes to all who watch, as it is. */
  send(bytes: string | Uint8Array): void;
  /** Ends all streams. */
  hangUp(): void;
  /** Answers in the place of the registry; undefined: the registry does. */
  instead: RequestListener | undefined;
  /** Refuses and breaks all connections until it is back, on the same port. */
  kill(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

export async function openStubRegistry(
  entries: readonly StubEntry[],
  { epoch = "e1" }: StubOptions = {},
): Promise<StubRegistry> {
  const streams = new Set<ServerResponse>();
  const requests: IncomingMessage[] = [];
  let services = toMap(entries);
  let state = { epoch, version: 1, unchanged: 0 };
  let port = 0;

  const list = (): readonly StubEntry[] => [...services.values()];
  const id = (): string => `${state.epoch}-${state.version}`;
  const send = (bytes: string | Uint8Array): void => streams.forEach((stream) => void stream.write(bytes));

  function tell(event: string, data: unknown): void {
    state.version += 1;
    send(`event: ${event}\nid: ${id()}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  function watch(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const data = JSON.stringify({ epoch: state.epoch, version: state.version, services: list() });
    response.write(`event: sync\nid: ${id()}\ndata: ${data}\n\n`);
    streams.add(response);
    response.once("close", () => streams.delete(response));
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const tag = `W/"${id()}"`;
    if (state.epoch !== null && request.url?.endsWith("/services?watch=true") === true) return watch(response);
    if (state.epoch !== null && request.headers["if-none-match"] === tag) {
      state.unchanged += 1;
      return void response.writeHead(304, { etag: tag }).end();
    }
    const ours = state.epoch === null ? {} : { etag: tag, "x-registry-epoch": state.epoch };
    response.writeHead(200, { "content-type": "application/json", ...ours });
    response.end(JSON.stringify({ services: list(), total: services.size, timestamp: "2026-01-01T00:00:00Z" }));
  }

  const stub: StubRegistry = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    get asked() {
      return requests.map(({ url }) => url ?? "");
    },
    requests,
    get unchanged() {
      return state.unchanged;
    },
    get watchers() {
      return streams.size;
    },
    put(...changed) {
      for (const each of changed) {
        services.set(each.name, each);
        tell("upsert", each);
      }
    },
    remove(...names) {
      for (const name of names) if (services.delete(name)) tell("remove", { name, reason: "deregistered" });
    },
    begin(others, next) {
      services = toMap(others);
      state = { ...state, version: state.version + 1, ...(next !== undefined && { epoch: next }) };
    },
    send,
    hangUp: () => streams.forEach((stream) => void stream.end()),
    instead: undefined,
    kill: () => stop(server),
    async comeBack() {
      server = createServer(listener);
      await listen(server, port);
    },
    close: () => stop(server),
  };
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    if (stub.instead === undefined) answer(request, response);
    else stub.instead(request, response);
  };
  let server = createServer(listener);
  port = await listen(server, 0);
  return stub;
}

/** One that is closed when the test is over. */
export async function stubRegistry(...given: Parameters<typeof openStubRegistry>): Promise<StubRegistry> {
  const stub = await openStubRegistry(...given);
  onTestFinished(() => stub.close());
  return stub;
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}

function toMap(entries: readonly StubEntry[]): Map<string, StubEntry> {
  return new Map(entries.map((each) => [each.name, each]));
}
