import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { definePlugin, type Plugin, type Proxy } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { inOrder } from "plugboard/plugins/select/in-order";
import { testPlugin } from "plugboard/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { hedge } from "../../../plugins/load/hedge.ts";
import { answer, begin, finish } from "../../core/exchange/played.ts";
import { type MemCall, memUpstream } from "../../core/mem-upstream.ts";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { counter, within } from "../../wire/waiting.ts";

testPlugin({
  test,
  create: () => hedge({ after: "p90", min: 10, methods: ["GET", "POST"] }),
  badOptions: [
    { options: { after: -1 }, says: "after: Expected milliseconds, 0 or more" },
    { options: { after: 2 ** 31 }, says: "after: Expected milliseconds, 2147483647 at most" },
    { options: { after: "p49" }, says: "after: Expected milliseconds, or p50 to p99" },
    { options: { after: "p100" }, says: "after: Expected milliseconds, or p50 to p99" },
    { options: { after: true }, says: "after: Expected milliseconds, or p50 to p99" },
    { options: { min: -1 }, says: "min: Expected milliseconds, 0 or more" },
    { options: { methods: [] }, says: "methods: Expected one method or more" },
    { options: { methods: ["get"] }, says: "methods.0" },
    { options: { methods: ["CONNECT"] }, says: "methods.0" },
    { options: { now: 5 }, says: "now: Expected a function" },
  ],
});

interface Asked {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly body: string;
  /** Settles when the proxy has hung up, or has the whole answer. */
  readonly left: Promise<unknown>;
}

interface Upstream {
  readonly url: string;
  readonly asked: readonly Asked[];
  next(count?: number): Promise<Asked>;
}

/** Takes requests and leaves them unanswered, unless told otherwise. */
async function upstream(onAsked: (asked: Asked) => void = () => {}): Promise<Upstream> {
  const asked: Asked[] = [];
  const come = counter();
  const server = createServer(async (req, res) => {
    const left = once(res, "close");
    let body = "";
    for await (const piece of req) body += piece;
    const one = { req, res, body, left };
    asked.push(one);
    onAsked(one);
    come.add();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async next(count = 1) {
      await within(come.reached(count), `request ${count} of an upstream`);
      return asked[count - 1]!;
    },
  };
}

async function before(upstreams: readonly Upstream[], plugins: readonly Plugin[]): Promise<Proxy & { url: string }> {
  const targets = upstreams.map(({ url }, i) => ({ id: `t${i + 1}`, url }));
  const proxy = await openProxy({ plugins: [staticTargets({ targets }), ...plugins, inOrder()] });
  return Object.assign(proxy, await proxy.listen());
}

const inflight = (proxy: Proxy): number[] =>
  proxy.pools().flatMap(({ snapshot }) => snapshot.all.map(({ live }) => live.inflight));

describe("between real upstreams", () => {
  test("a request that the first leaves waiting is answered by the second, and the first sees its connection closed", async () => {
    const slow = await upstream();
    const fast = await upstream(({ res }) => res.end("fast"));
    const proxy = await before([slow, fast], [hedge({ after: 20 })]);
    const response = await fetch(`${proxy.url}/x?y=1`, { headers: { "x-own": "1" } });
    expect(await response.text()).toBe("fast");
    const { req, res, left } = await slow.next();
    await within(left, "the slow upstream is left");
    expect(res.writableFinished).toBe(false);
    const again = await fast.next();
    expect([again.req.url, again.req.headers["x-own"]]).toEqual([req.url, "1"]);
    await eventually(() => expect(inflight(proxy)).toEqual([0, 0]));
    expect(proxy.pools()[0]?.snapshot.all.map(({ live }) => live.failures)).toEqual([0, 0]);
  });

  test("the first is not left when it answers first, and the second sees its connection closed", async () => {
    const [first, second] = [await upstream(), await upstream()];
    const proxy = await before([first, second], [hedge({ after: 20 })]);
    const response = fetch(proxy.url);
    const begun = await first.next();
    const { left } = await second.next();
    begun.res.write("fi");
    await within(left, "the second upstream is left");
    begun.res.end("rst");
    expect(await (await response).text()).toBe("first");
    await eventually(() => expect(inflight(proxy)).toEqual([0, 0]));
  });

  test("a client that leaves is noticed at both", async () => {
    const [first, second] = [await upstream(), await upstream()];
    const proxy = await before([first, second], [hedge({ after: 20 })]);
    const leaving = new AbortController();
    const response = fetch(proxy.url, { signal: leaving.signal });
    const both = [await first.next(), await second.next()];
    leaving.abort();
    await expect(response).rejects.toThrow();
    for (const { left } of both) await within(left, "an upstream is left");
    await eventually(() => expect(inflight(proxy)).toEqual([0, 0]));
  });

  test("a POST that was named is sent twice with its body", async () => {
    const slow = await upstream();
    const fast = await upstream(({ res }) => res.end("fast"));
    const proxy = await before([slow, fast], [hedge({ after: 20, methods: ["POST"] })]);
    const body = JSON.stringify({ model: "m", text: "x".repeat(100_000) });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body };
    expect(await (await fetch(proxy.url, init)).text()).toBe("fast");
    expect([(await slow.next()).body === body, (await fast.next()).body === body]).toEqual([true, true]);
  });
});

test("what is usual is of each route alone, and outlives a reload", async () => {
  const routes = definePlugin({
    name: "routes",
    setup(proxy) {
      const known = new Map(["/fast", "/slow"].map((path) => [path, proxy.createRoute({ name: path })]));
      return { resolve: (x) => known.get(x.path) };
    },
  });
  const first = await upstream(({ res }) => res.end("first"));
  const second = await upstream(({ res }) => res.end("second"));
  const proxy = await before([first, second], [hedge(), routes()]);
  for (let i = 0; i < 20; i++) await (await fetch(`${proxy.url}/fast`)).text();
  await proxy.reload();
  const notes = async (path: string): Promise<string> => {
    const { steps } = await proxy.explain({ path });
    return steps.map(({ note }) => note).join();
  };
  expect(await notes("/fast")).toMatch(/hedge: another target is asked after \d+ ms without an answer/);
  expect(await notes("/slow")).toMatch("hedge: not before more answers of the route were timed, for their p95");
  expect(second.asked).toEqual([]);
});

test("an answer that has begun is never left, however long it takes", async () => {
  const calls: MemCall[] = [];
  // The first is begun before any time has passed.
  const upstreams = memUpstream(
    (call) => {
      if (calls.push(call) === 1) begin(call);
    },
    ["a", "b"].map((id) => ({ id, url: `mem://${id}` })),
  );
  const proxy = await openProxy({ plugins: [upstreams, hedge({ after: 20 }), inOrder()] });
  const ask = (path: string): Promise<Response> => proxy.fetch(new Request(`http://proxy${path}`));
  const first = await ask("/first");
  // This one is hedged, which shows that the time of the first is over.
  const second = ask("/second");
  await eventually(() =>
    expect(calls.map(({ x, target }) => x.path + target.id)).toEqual(["/firsta", "/seconda", "/secondb"]),
  );
  answer(calls[2] as MemCall);
  expect(await (await second).text()).toBe("b");
  finish(calls[0] as MemCall);
  expect(await first.text()).toBe("a");
  expect(calls).toHaveLength(3);
});
