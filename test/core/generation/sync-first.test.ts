import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createHook, executionAsyncId } from "node:async_hooks";
import type { HookMap, Plugin } from "plugboard";
import { expect, onTestFinished, test } from "vitest";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const sync: HookMap = {
  request: () => {},
  inspect: () => {},
  admit: () => {},
  upstreamRequest: () => {},
  upstreamResponse: () => {},
  attemptEnd: () => undefined,
  end: () => undefined,
};

interface Seen {
  /** Whether the upstream was called before the server's request event was over. */
  readonly sameTick: boolean;
  /** Promises made in that time. */
  readonly promises: number;
  readonly status: number;
}

/** One GET through a server whose request event is watched from outside. */
async function watched(...plugins: Plugin[]): Promise<Seen> {
  let sent = 0;
  let sameTick = false;
  let promises = 0;
  const upstream = memUpstream((call) => {
    sent += 1;
    sayOk(call);
  });
  const proxy = await openProxy({ plugins: [upstream, ...plugins] });
  const server = createServer((req, res) => {
    const inside = executionAsyncId();
    const count = createHook({
      init: (_id, type, trigger) => void (promises += type === "PROMISE" && trigger >= inside ? 1 : 0),
    }).enable();
    proxy.listener(req, res);
    count.disable();
    sameTick = sent === 1;
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await response.text();
  return { sameTick, promises, status: response.status };
}

test("a request is on its way to the upstream in the tick in which its head was read", async () => {
  expect(await watched()).toMatchObject({ sameTick: true, status: 200 });
});

test("also through all phases, as long as hooks answer at once", async () => {
  const resolve = quickPlugin("resolve", (proxy) => {
    const route = proxy.createRoute({ name: "r" });
    return { resolve: () => route };
  });
  expect(await watched(resolve, hooks(sync), hooks(sync, "more"))).toMatchObject({ sameTick: true, status: 200 });
});

test("no promise is made for it but the takeover's, however many hooks there are", async () => {
  const none = await watched();
  const many = await watched(...Array.from({ length: 10 }, (_, i) => hooks(sync, `hooks-${i}`)));
  expect(many.promises).toBe(none.promises);
});

test("a hook that answers later is waited for", async () => {
  expect(await watched(hooks({ admit: async () => {} }))).toMatchObject({ sameTick: false, status: 200 });
});
