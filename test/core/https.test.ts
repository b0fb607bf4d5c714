import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as send } from "node:https";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { createProxy, type Plugin, type Proxy } from "plugboard";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { text } from "node:stream/consumers";
import { type MemCall, memUpstream, sayOk } from "./mem-upstream.ts";
import { hooks } from "./quick-plugin.ts";
import { deferred, within } from "../wire/waiting.ts";

let key: string;
let cert: string;

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "plugboard-https-"));
  const file = (name: string): string => join(folder, name);
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      ...subject,
      "-keyout",
      file("key"),
      "-out",
      file("cert"),
    ],
    { stdio: "ignore" },
  );
  key = readFileSync(file("key"), "utf8");
  cert = readFileSync(file("cert"), "utf8");
  rmSync(folder, { recursive: true });
});

interface Secure {
  readonly proxy: Proxy;
  readonly port: number;
  readonly get: (path?: string, signal?: AbortSignal) => Promise<IncomingMessage>;
}

async function secure(...plugins: Plugin[]): Promise<Secure> {
  const proxy = await createProxy({ plugins });
  const server = createServer({ key, cert });
  proxy.attach(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => proxy.close({ deadline: 0 }));
  const { port } = server.address() as AddressInfo;
  return {
    proxy,
    port,
    get: (path = "/", signal) =>
      new Promise((resolve, reject) => {
        const options = { host: "127.0.0.1", port, path, ca: cert, agent: false, ...(signal && { signal }) } as const;
        send(options, resolve).on("error", reject).end();
      }),
  };
}

describe("a proxy on an https server", () => {
  test("serves, and says so to the upstream", async () => {
    const schemes: unknown[] = [];
    const { get } = await secure(
      memUpstream((call) => {
        schemes.push(call.x.upstream.headers["x-forwarded-proto"]);
        sayOk(call);
      }),
    );
    const response = await get();
    expect(response.statusCode).toBe(200);
    expect(await text(response)).toBe("mem://a");
    expect(schemes).toEqual(["https"]);
  });

  test("refuses what it refuses on http", async () => {
    const { get } = await secure(memUpstream());
    const response = await get("/a/%2e%2e/b");
    expect(response.statusCode).toBe(400);
    expect(response.headers["x-proxy-error"]).toBe("invalid_path");
  });

  test("cuts an answer that broke, and lives on: what is encrypted cannot be reset", async () => {
    const { get } = await secure(
      memUpstream(({ sink }) => {
        sink.connected();
        sink.head(200, {});
        sink.data(Buffer.from("begun"));
        setImmediate(() => sink.error(new Error("reset")));
      }),
    );
    const response = await get();
    expect(response.headers["connection"]).toBe("close");
    await expect(text(response)).rejects.toThrow("aborted");
    expect((await get()).statusCode).toBe(200);
  });

  test("lets what is under way end when it closes", async () => {
    const calls: MemCall[] = [];
    const begun = deferred();
    const { proxy, port, get } = await secure(
      memUpstream((call) => {
        calls.push(call);
        call.sink.connected();
        begun.resolve();
      }),
    );
    const answer = get().then(text, (error: unknown) => String(error));
    await begun.promise;
    const idle = connect({ host: "127.0.0.1", port, ca: cert });
    await once(idle, "secureConnect");
    const idleEnds = once(idle, "close");
    idle.resume();
    const closed = proxy.close({ deadline: 5_000 });
    // The drain has come by when it has closed the connection on which nothing is under way.
    await within(idleEnds, "an idle connection closes");
    for (const call of calls) sayOk(call);
    expect(await answer).toBe("mem://a");
    await closed;
  });

  test("notices when a client leaves", async () => {
    const left = deferred();
    const begun = deferred();
    const waiting = hooks({
      admit(x) {
        x.signal.addEventListener("abort", left.resolve);
        begun.resolve();
        return new Promise(() => {});
      },
    });
    const { get } = await secure(memUpstream(), waiting);
    const leaving = new AbortController();
    const response = get("/", leaving.signal);
    await begun.promise;
    leaving.abort();
    await expect(response).rejects.toThrow("abort");
    await within(left.promise, "the exchange hears of it", 1_000);
  });
});
