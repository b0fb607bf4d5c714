import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { testWith } from "./e2e/requires.ts";

/** `test` for what needs a Redis. */
export const testWithRedis = testWith("redis-server");

export interface RedisServer {
  readonly port: number;
  /** A client that connects when it is first used, and is closed together with the server. */
  client(options?: RedisOptions): Redis;
  /** It keeps what it wrote to disk, if it did. */
  kill(): Promise<void>;
  /** After `kill`, on the same port; `empty` loses what was on disk. */
  restart(options?: { empty?: boolean }): Promise<void>;
  /** It keeps its connections, and answers nothing. */
  hang(): void;
  resume(): void;
  close(): Promise<void>;
}

/** Starts a redis-server of this machine on a free port of 127.0.0.1; `durable` writes each change to disk. */
export async function startRedis({ durable = false } = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "redis-"));
  const port = await freePort();
  const settings = toSettings(port, directory, durable);
  const clients: Redis[] = [];
  let child = await launch(settings, port);

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  return {
    port,
    client(options) {
      const client = new Redis({ port, host: "127.0.0.1", lazyConnect: true, ...options });
      client.on("error", () => {
        // The tests look at what comes of it.
      });
      clients.push(client);
      return client;
    },
    kill,
    async restart({ empty = false } = {}) {
      if (empty) await rm(join(directory, "appendonlydir"), { recursive: true, force: true });
      child = await launch(settings, port);
    },
    hang: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async close() {
      for (const client of clients) client.disconnect();
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function toSettings(port: number, directory: string, durable: boolean): string[] {
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: directory,
    save: "",
    appendonly: durable ? "yes" : "no",
    appendfsync: "always",
    daemonize: "no",
    loglevel: "warning",
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function launch(settings: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn("redis-server", settings, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const patience = { retryStrategy: () => 10, maxRetriesPerRequest: null, maxLoadingRetryTime: 10 };
  const client = new Redis({ port, host: "127.0.0.1", ...patience });
  client.on("error", () => {
    // It does not listen yet.
  });
  const exited = once(child, "exit").then(() => {
    throw new Error(`redis-server ended instead of listening on ${port}: ${said}`);
  });
  try {
    await Promise.race([client.ping(), exited]);
  } finally {
    client.disconnect();
  }
  exited.catch(() => {
    // It may end later.
  });
  return child;
}

/** A way to Redis that can be cut and mended, for one process alone. */
export interface Way {
  readonly port: number;
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

export async function startWay(to: number): Promise<Way> {
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer((socket) => {
    if (!whole) {
      socket.destroy();
      return;
    }
    const onward = connect(to, "127.0.0.1");
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on("error", () => {
        // It was cut.
      });
      end.on("close", () => {
        socket.destroy();
        onward.destroy();
        sockets.delete(end);
      });
    }
    socket.pipe(onward).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    mend: () => void (whole = true),
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
