import { createProxy, type Plugin, type ProxyConfig } from "plugboard";
import { describe, expect, test } from "vitest";
import { type MemCall, memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { quickPlugin } from "../quick-plugin.ts";

const mem = memUpstream();

describe("retired generations", () => {
  /** Streams that stay open, and a note of each generation that is closed. */
  function streaming(): { plugins: (name: string) => Plugin[]; calls: MemCall[]; closed: string[] } {
    const calls: MemCall[] = [];
    const closed: string[] = [];
    const upstream = memUpstream((call) => {
      calls.push(call);
      call.sink.connected();
      call.sink.head(200, {});
      call.sink.data(Buffer.from("first"));
    });
    const note = (name: string): Plugin => quickPlugin("note", (proxy) => proxy.onClose(() => void closed.push(name)));
    return { plugins: (name) => [upstream, note(name)], calls, closed };
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("are closed when their last exchange ends", async () => {
    const { plugins, calls, closed } = streaming();
    const proxy = await openProxy({ plugins: plugins("1") });
    const stream = await proxy.fetch(new Request("http://proxy/"));
    await proxy.reload({ plugins: plugins("2") });
    await turn();
    expect(closed).toEqual([]);
    calls[0]?.sink.end();
    expect(await stream.text()).toBe("first");
    await turn();
    expect(closed).toEqual(["1"]);
  });

  test("are closed at once when nothing is under way", async () => {
    const { plugins, closed } = streaming();
    const proxy = await openProxy({ plugins: plugins("1") });
    await proxy.reload({ plugins: plugins("2") });
    await turn();
    expect(closed).toEqual(["1"]);
  });

  test("are kept up to limits.generations, then the oldest is closed, and its streams go on", async () => {
    const { plugins, calls, closed } = streaming();
    const config = (name: string): ProxyConfig => ({ plugins: plugins(name), limits: { generations: 1 } });
    const proxy = await openProxy(config("1"));
    const streams: Response[] = [];
    for (const name of ["2", "3", "4"]) {
      streams.push(await proxy.fetch(new Request("http://proxy/")));
      await proxy.reload(config(name));
    }
    await turn();
    // Of the generations 1 to 3, each with a stream, one is kept.
    expect(closed).toEqual(["1", "2"]);
    for (const { sink } of calls) sink.end();
    expect(await Promise.all(streams.map((stream) => stream.text()))).toEqual(["first", "first", "first"]);
    await turn();
    expect(closed).toEqual(["1", "2", "3"]);
  });

  test("are all closed with the proxy", async () => {
    const { plugins, closed } = streaming();
    const proxy = await createProxy({ plugins: plugins("1") });
    const stream = await proxy.fetch(new Request("http://proxy/"));
    await proxy.reload({ plugins: plugins("2") });
    await proxy.close({ deadline: 0 });
    expect(closed.toSorted()).toEqual(["1", "2"]);
    await expect(stream.text()).rejects.toThrow();
  });

  test("cannot say a word about health any more", async () => {
    const reporters: ((reason: string) => void)[] = [];
    const reporting = quickPlugin("reporting", (proxy) => {
      const reporter = proxy.reporter("r");
      reporters.push((reason) => reporter.down("mem://a", reason));
    });
    const proxy = await openProxy({ plugins: [mem, reporting] });
    await proxy.reload();
    reporters[0]?.("from the grave");
    expect(proxy.pools()[0]?.verdicts("mem://a")).toEqual([]);
    reporters[1]?.("from the living");
    expect(proxy.pools()[0]?.verdicts("mem://a")).toMatchObject([{ reason: "from the living" }]);
  });
});
