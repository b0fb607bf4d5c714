import type { Plugin, Relay } from "plugboard";
import { expect, test } from "vitest";
import { type MemCall, memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";

const upstream = (length?: string): Plugin =>
  memUpstream(({ sink }: MemCall) => {
    sink.connected();
    sink.head(200, { "content-type": "text/plain", ...(length !== undefined && { "content-length": length }) });
    sink.data(Buffer.from("ab"));
    sink.data(Buffer.from("cd"));
    sink.end();
  });
const relaying = (relay: Relay): Plugin =>
  quickPlugin("relaying", (proxy) =>
    proxy.provide("relay", `relay ${Math.random()}`, { match: () => true, create: () => relay }),
  );

async function answerOf(...plugins: Plugin[]): Promise<{ text: string; length: string | null }> {
  const { url } = await (await openProxy({ plugins })).listen();
  const response = await fetch(url);
  return { text: await response.text(), length: response.headers.get("content-length") };
}

function observer(): Relay & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    observes: true,
    data(chunk) {
      seen.push(Buffer.from(chunk).toString());
      return Buffer.from("not this");
    },
    end: () => Buffer.from("nor this"),
  };
}

test("a relay that only looks sees all, changes nothing, and the length that was declared holds", async () => {
  const relay = observer();
  expect(await answerOf(upstream("4"), relaying(relay))).toEqual({ text: "abcd", length: "4" });
  expect(relay.seen.join("")).toBe("abcd");
});

test("it changes nothing where no length was declared either", async () => {
  expect(await answerOf(upstream(), relaying(observer()))).toEqual({ text: "abcd", length: null });
});

test("beside one that changes bytes it still only looks, and the length is that of nobody", async () => {
  const relay = observer();
  const louder: Relay = { data: (chunk) => Buffer.from(Buffer.from(chunk).toString().toUpperCase()) };
  expect(await answerOf(upstream("4"), relaying(louder), relaying(relay))).toEqual({ text: "ABCD", length: null });
  expect(relay.seen.join("")).toBe("ABCD");
});

test("two that only look keep the length too", async () => {
  const relays = [observer(), observer()];
  expect(await answerOf(upstream("4"), ...relays.map(relaying))).toEqual({ text: "abcd", length: "4" });
  expect(relays.map(({ seen }) => seen.join(""))).toEqual(["abcd", "abcd"]);
});

test("one that throws cuts the answer: nobody takes half of it for the whole", async () => {
  const relay: Relay = {
    observes: true,
    data() {
      throw new Error("lost");
    },
    broken: () => Buffer.from("xxxx"),
  };
  await expect(answerOf(upstream("4"), relaying(relay))).rejects.toThrow();
});
