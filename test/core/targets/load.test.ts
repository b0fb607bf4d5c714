import type { TargetStats } from "plugboard";
import { expect, test } from "vitest";
import { type MemCall, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";

test("a pool tells of each change of a target's load, whichever route caused it, until its generation is over", async () => {
  const told: [generation: number, inflight: number][] = [];
  let generation = 0;
  const listening = (): ReturnType<typeof quickPlugin> =>
    quickPlugin("listening", (proxy) => {
      const own = ++generation;
      proxy.pool().onLoad(({ inflight }: Readonly<TargetStats>) => void told.push([own, inflight]));
      const [one, other] = [proxy.createRoute({ name: "one" }), proxy.createRoute({ name: "other" })];
      return { resolve: (x) => (x.path === "/other" ? other : one) };
    });
  const held: MemCall[] = [];
  const upstream = memUpstream((call) => void held.push(call));
  const proxy = await openProxy({ plugins: [upstream, listening()] });
  const responses = ["/", "/other"].map((path) => proxy.fetch(new Request(`http://proxy${path}`)));
  await expect.poll(() => held.length).toBe(2);
  for (const call of held) sayOk(call);
  for (const response of responses) await (await response).text();
  expect(told).toEqual([
    [1, 1],
    [1, 2],
    [1, 1],
    [1, 0],
  ]);
  told.length = 0;
  await proxy.reload({ plugins: [upstream, listening()] });
  const last = proxy.fetch(new Request("http://proxy/"));
  await expect.poll(() => held.length).toBe(3);
  sayOk(held[2]!);
  await (await last).text();
  expect(told).toEqual([
    [2, 1],
    [2, 0],
  ]);
});
