import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type ConsolaInstance, createConsola } from "consola";
import { createRegistrar, type Registrar, type RegistrarOptions } from "plugboard/plugins/fleet/_registrar";
import { onTestFinished } from "vitest";
import { eventually } from "../../e2e/eventually.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

/** What a registry does with a request: an answer, silence, or a connection that is cut. */
export type Move =
  | number
  | "hang"
  | "cut"
  | { readonly status: number; readonly body: string; readonly headers?: object };

/** A registry that does as it is told, and remembers what it was asked. */
export interface ScriptedRegistry {
  readonly url: string;
  readonly port: number;
  readonly asked: readonly Asked[];
  /** `POST /services`, in order. */
  readonly lines: readonly string[];
  move: (asked: Asked) => Move;
  stop(): Promise<void>;
}

/** What the original answers where all is well. */
export function fine({ method, path }: Pick<Asked, "method" | "path">): number {
  return method === "POST" && path === "/services" ? 201 : 200;
}

export async function scriptRegistry(move: ScriptedRegistry["move"] = fine, port = 0): Promise<ScriptedRegistry> {
  const asked: Asked[] = [];
  const server = createServer((req, res) => void take(req, res).catch(() => res.destroy()));
  async function take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await text(req);
    const { method = "", url: path = "", headers } = req;
    asked.push({ method, path, headers, body: body === "" ? undefined : JSON.parse(body) });
    play(registry.move(asked.at(-1)!), res);
  }
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: bound } = server.address() as AddressInfo;
  const registry: ScriptedRegistry = {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    asked,
    get lines() {
      return asked.map((one) => `${one.method} ${one.path}`);
    },
    move,
    stop: () => close(server),
  };
  onTestFinished(registry.stop);
  return registry;
}

function play(move: Move, res: ServerResponse): void {
  if (move === "hang") return;
  if (move === "cut") return void res.destroy();
  const { status, body, headers } = typeof move === "number" ? { status: move, body: "{}", headers: {} } : move;
  res.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const { port, stop } = await scriptRegistry();
  await stop();
  return port;
}

export interface Heard {
  readonly registrar: Registrar;
  /** `warn: text`, in order. */
  readonly said: readonly string[];
}

/** A registrar with fast heartbeats, and pauses that are as short as they get. */
export function startRegistrar(options: Partial<RegistrarOptions> & Pick<RegistrarOptions, "url">): Heard {
  const { log, said } = listen();
  const random = (): number => 0;
  const registrar = createRegistrar({ heartbeat: 40, log, random, now: () => performance.now(), ...options });
  onTestFinished(() => registrar.close());
  return { registrar, said };
}

function listen(): { log: ConsolaInstance; said: readonly string[] } {
  const said: string[] = [];
  const reporters = [
    { log: ({ type, args }: { type: string; args: unknown[] }) => said.push(`${type}: ${args.join(" ")}`) },
  ];
  return { log: createConsola({ level: 999, throttle: 0, reporters }), said };
}

export const one = {
  name: "one",
  host: "localhost",
  port: 8001,
  hostname: "localhost",
  url: "http://localhost:8001",
  status: "running",
  metadata: { type: "openai-api", models: ["small"] },
};

/** Waits for so many of these requests. */
export function many(registry: ScriptedRegistry, line: string, count: number): Promise<void> {
  return eventually(() => {
    const found = registry.lines.filter((asked) => asked === line).length;
    if (found < count) throw new Error(`${found} of ${count} times ${line}: ${registry.lines.join(", ")}`);
  });
}
