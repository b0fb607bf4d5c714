import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { activeHealth, inOrder, outlierEjection, staticTargets } from "plugboard/plugins";
import { expect, onTestFinished, test } from "vitest";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";

/** Well when it is asked how it is, and with a status for all else. */
async function upstream(status: number): Promise<string> {
  const server = createServer((req, res) => res.writeHead(req.url === "/health" ? 200 : status).end());
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a check that passes ends an ejection", async () => {
  const targets = [
    { id: "bad", url: await upstream(503) },
    { id: "good", url: await upstream(200) },
  ];
  const health: boolean[] = [];
  const proxy = await openProxy({
    plugins: [
      staticTargets({ targets }),
      inOrder(),
      activeHealth({ interval: 20, jitter: 0 }),
      outlierEjection({ consecutive: 1 }),
    ],
  });
  const pool = proxy.pools()[0];
  pool?.onChange(({ available }) => void health.push(available.some(({ id }) => id === "bad")));
  await (await proxy.fetch(new Request("http://proxy/"))).text();
  await eventually(() => expect(health[0]).toBe(false));
  // Long before the ejection would have lapsed by itself.
  await eventually(() => expect(health).toEqual([false, true]));
});
