import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createReadyProbe, type ReadyProbeOptions } from "../../../plugins/fleet/_ready.ts";

/** Asks a server that answers a path with a status, and others never. */
async function ask(statuses: Readonly<Record<string, number>>, options?: ReadyProbeOptions): Promise<unknown> {
  const server = createServer((req, res) => {
    const status = statuses[req.url ?? ""];
    if (status !== undefined) res.writeHead(status).end();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const probe = createReadyProbe("127.0.0.1", options);
  onTestFinished(async () => {
    await probe.close();
    server.closeAllConnections();
    server.close();
  });
  return (await probe.ask((server.address() as AddressInfo).port, new AbortController().signal)).failure;
}

test("of several paths any that answers will do", async () => {
  expect(await ask({ "/v1/models": 404, "/models": 404, "/health": 200 })).toBeUndefined();
});

test("a path of its own must answer 200, and is the only one asked", async () => {
  expect(await ask({ "/health": 200 }, { path: "/health" })).toBeUndefined();
  expect(await ask({ "/health": 404, "/v1/models": 200 }, { path: "/health" })).toBe("GET /health: 404");
});

test("it waits as long as it is told", async () => {
  expect(await ask({}, { path: "/health", timeout: 30 })).toBe("GET /health: no answer within 30 ms");
});
