import { type Gate, type Plugin, ProxyError } from "plugboard";
import { describe, expect, test } from "vitest";
import { deferred, within } from "../../wire/waiting.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { answer, begin, finish, played } from "./played.ts";

const bad = new ProxyError("upstream_protocol", "The answer is bad.");

/** Passes an answer that says "good", and condemns one that says "bad". */
function gate(more: Partial<Gate> = {}): Plugin {
  const data = (chunk: Uint8Array): "hold" | "pass" | ProxyError => {
    const text = Buffer.from(chunk).toString();
    return text.includes("good") ? "pass" : text.includes("bad") ? bad : "hold";
  };
  return quickPlugin("gate", (proxy) =>
    proxy.provide("gate", "gate", { match: () => true, create: () => ({ data, ...more }) }),
  );
}

describe("an answer behind a gate", () => {
  test("is held, head and body, until it is good; then all of it goes through unchanged", async () => {
    const stage = await played([gate()]);
    let arrived = false;
    const response = stage.get().then((got) => {
      arrived = true;
      return got;
    });
    const call = await stage.call(0);
    begin(call);
    call.sink.data(Buffer.from("one "));
    await new Promise(setImmediate);
    expect(arrived).toBe(false);
    call.sink.data(Buffer.from("good "));
    call.sink.data(Buffer.from("two"));
    call.sink.end();
    const got = await response;
    expect([got.headers.get("content-type"), await got.text()]).toEqual(["text/plain", "one good two"]);
  });

  test("that is bad was none: another target is asked, whatever the method, and the first call is ended", async () => {
    const stage = await played([gate()]);
    const response = stage.get({ method: "POST" });
    const first = await stage.call(0);
    begin(first);
    first.sink.data(Buffer.from("bad"));
    answer(await stage.call(1), "good");
    expect(await (await response).text()).toBe("good");
    await stage.log.ended(1);
    expect(first.aborted).toBeDefined();
    expect(stage.log.attempts.map(({ kind, bytesOut }) => [kind, bytesOut])).toEqual([
      ["stream-error", 0],
      ["ok", 4],
    ]);
    expect(stage.inflight()).toEqual([0, 0]);
  });

  test("that is bad everywhere is told as the error that the gate gave", async () => {
    const stage = await played([gate()]);
    const response = stage.get();
    for (const nth of [0, 1]) {
      const call = await stage.call(nth);
      begin(call);
      call.sink.data(Buffer.from("bad"));
    }
    expect((await response).status).toBe(502);
    expect((await response).headers.get("x-proxy-error")).toBe("upstream_protocol");
  });

  test("that breaks off while it is held was none either", async () => {
    const stage = await played([gate()]);
    const response = stage.get({ method: "POST" });
    const first = await stage.call(0);
    begin(first);
    first.sink.data(Buffer.from("half"));
    first.sink.error(new Error("reset"));
    answer(await stage.call(1), "good");
    expect(await (await response).text()).toBe("good");
  });

  test("that takes too long to be good counts as a timeout, and another target is asked", async () => {
    const stage = await played([gate({ timeout: 1 })]);
    const response = stage.get({ method: "POST" });
    begin(await stage.call(0));
    answer(await stage.call(1), "good");
    expect(await (await response).text()).toBe("good");
    await stage.log.ended(1);
    expect(stage.log.attempts.map(({ kind }) => kind)).toEqual(["timeout", "ok"]);
  });

  test("that is whole before anything was decided goes through", async () => {
    const stage = await played([gate()]);
    const response = stage.get();
    answer(await stage.call(0), "neither");
    expect(await (await response).text()).toBe("neither");
  });

  test("that is whole may still be bad", async () => {
    const stage = await played([gate({ end: () => bad })]);
    const response = stage.get();
    answer(await stage.call(0), "neither");
    answer(await stage.call(1), "good");
    expect(await (await response).text()).toBe("good");
  });

  test("is held in no more bytes than the gate says", async () => {
    const stage = await played([gate({ limit: 10 })]);
    const response = stage.get();
    const call = await stage.call(0);
    begin(call);
    call.sink.data(Buffer.from("12345"));
    call.sink.data(Buffer.from("67890"));
    expect((await within(response, "the head")).status).toBe(200);
    finish(call, "!");
    expect(await (await response).text()).toBe("1234567890!");
  });

  test("keeps the length that its upstream declared", async () => {
    const stage = await played([gate()]);
    const response = stage.get();
    const { sink } = await stage.call(0);
    sink.connected();
    sink.head(200, { "content-length": "4" });
    sink.data(Buffer.from("good"));
    sink.end();
    expect((await response).headers.get("content-length")).toBe("4");
    expect(await (await response).text()).toBe("good");
  });

  test("is seen by the hooks and the relays as if there were no gate", async () => {
    const seen: string[] = [];
    const watching = quickPlugin("watching", (proxy) => {
      proxy.provide("relay", "watching", {
        match: () => true,
        create: () => ({ data: (chunk) => Buffer.from(Buffer.from(chunk).toString().toUpperCase()) }),
      });
      return { upstreamResponse: (_x, head) => void seen.push(String(head.status)) };
    });
    const stage = await played([gate(), watching]);
    const response = stage.get();
    answer(await stage.call(0), "good");
    expect([await (await response).text(), seen]).toEqual(["GOOD", ["200"]]);
  });

  test("whose client leaves is ended at its upstream", async () => {
    const stage = await played([gate()]);
    const left = new AbortController();
    stage.get({ signal: left.signal }).catch(() => {});
    const call = await stage.call(0);
    begin(call);
    call.sink.data(Buffer.from("half"));
    left.abort();
    await stage.log.ended(1);
    expect([call.aborted === undefined, stage.inflight()]).toEqual([false, [0, 0]]);
    expect(stage.log.attempts.map(({ kind }) => kind)).toEqual(["client-abort"]);
  });
});

test("an answer without a body is not held: there is nothing to judge", async () => {
  const stage = await played([gate()]);
  const response = stage.get();
  const { sink } = await stage.call(0);
  sink.connected();
  sink.head(204, {});
  sink.end();
  expect((await response).status).toBe(204);
});

test.each<[string, Partial<Gate>]>([
  [
    "data",
    {
      data() {
        throw new Error("broken gate");
      },
    },
  ],
  [
    "end",
    {
      end() {
        throw new Error("broken gate");
      },
    },
  ],
])("a gate that throws in %s is a fault of its plugin, and of no target", async (_where, broken) => {
  const stage = await played([gate(broken)]);
  const response = stage.get();
  answer(await stage.call(0), "neither");
  expect((await response).headers.get("x-proxy-error")).toBe("plugin_error");
  await stage.log.ended(1);
  expect(stage.log.attempts.map(({ kind }) => kind)).toEqual(["plugin"]);
  expect(stage.proxy.lines.join()).toMatch(/plugin gate in phase gate/);
});

test("the first gate that matches has the answer", async () => {
  const asked: string[] = [];
  const one = (name: string, match: boolean): Plugin =>
    quickPlugin(name, (proxy) =>
      proxy.provide("gate", name, {
        match: () => match,
        create() {
          asked.push(name);
          return { data: () => "pass" };
        },
      }),
    );
  const stage = await played([one("no", false), one("yes", true), one("late", true)]);
  const response = stage.get();
  answer(await stage.call(0));
  expect([await (await response).text(), asked]).toEqual(["a", ["yes"]]);
});

test("a plugin may wait for what a condemned answer's successor says", async () => {
  const free = deferred();
  const stage = await played([gate(), hooks({ recover: () => free.promise.then(() => "retry" as const) })], {
    targets: ["a"],
  });
  const response = stage.get();
  answer(await stage.call(0), "bad");
  free.resolve();
  answer(await stage.call(1), "good");
  expect(await (await response).text()).toBe("good");
});
