import { defineSelector, type Exchange, type Plugin, type Target } from "plugboard";
import { describe, expect, test } from "vitest";
import { type MemAnswer, memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

const targets = ["a", "b", "c"].map((id) => ({ id, url: `mem://${id}` }));
const first = defineSelector({ name: "first", pick: ([target]) => target })();
const refuse: MemAnswer = ({ sink }) => sink.error(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));

function keeping(keep: (target: Target, x: Exchange) => boolean, name = "keeping"): Plugin {
  return hooks({ candidates: (x, all) => all.filter((target) => keep(target, x)) }, name);
}

async function ask(
  plugins: readonly Plugin[],
): Promise<{ status: number; text: string; code: string | null; lines: string }> {
  const proxy = await openProxy({ plugins });
  const response = await proxy.fetch(new Request("http://proxy/"));
  const code = response.headers.get("x-proxy-error");
  return { status: response.status, text: await response.text(), code, lines: proxy.lines.join("\n") };
}

describe("the hook candidates", () => {
  test("decides, plugin by plugin, what the selector picks from", async () => {
    const notA = keeping(({ id }) => id !== "a", "not-a");
    const notB = keeping(({ id }) => id !== "b", "not-b");
    expect((await ask([memUpstream(sayOk, targets), first, notA, notB])).text).toBe("c");
  });

  test("is given the route's own list, which stays the same until the pool changes, and so is the selector", async () => {
    const given = new Set<readonly Target[]>();
    const picked = new Set<readonly Target[]>();
    const same = hooks({
      candidates(_x, all) {
        given.add(all);
        return all;
      },
    });
    const seeing = defineSelector({
      name: "seeing",
      pick(all) {
        picked.add(all);
        return all[0];
      },
    })();
    const proxy = await openProxy({ plugins: [memUpstream(sayOk, targets), seeing, same] });
    for (let i = 0; i < 3; i++) await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect([given.size, picked.size, [...given].every((list) => Object.isFrozen(list))]).toEqual([1, 1, true]);
    expect([...given]).toEqual([...picked]);
  });

  test("holds for what is tried next, which is never what was tried before", async () => {
    const tried: string[] = [];
    const upstream = memUpstream((call) => {
      tried.push(call.target.id);
      refuse(call);
    }, targets);
    const answer = await ask([upstream, first, keeping(({ id }) => id !== "b")]);
    expect([tried, answer.code]).toEqual([["a", "c"], "connect_failed"]);
  });

  test("may decide anew for each attempt", async () => {
    const upstream = memUpstream((call) => (call.target.id === "a" ? refuse(call) : sayOk(call)), targets);
    const plan = keeping(({ id }, { attempt }) => id === (attempt === 0 ? "a" : "c"));
    expect((await ask([upstream, first, plan])).text).toBe("c");
  });

  test("that leaves none is answered as if there were none", async () => {
    const answer = await ask([memUpstream(sayOk, targets), keeping(() => false)]);
    expect(answer).toMatchObject({ status: 503, code: "no_targets" });
  });

  test("leaves out of a cooling time those that it would drop", async () => {
    const cooling = quickPlugin("cooling", (proxy) => {
      const reporter = proxy.reporter("probe");
      proxy.onReady(() => {
        reporter.down("a", "busy", 60_000);
        reporter.down("b", "busy", 60_000);
      });
    });
    const plugins = [memUpstream(sayOk, targets), cooling, keeping(({ id }) => id !== "c")];
    expect(await ask(plugins)).toMatchObject({ status: 503, code: "cooling_down" });
  });

  test.each<[string, (x: Exchange, targets: readonly Target[], call: number) => readonly Target[]]>([
    ["before an attempt", () => boom()],
    ["before a second one", ({ attempt }, all) => (attempt === 0 ? all : boom())],
    ["when there is none to begin with", (_x, _all, call) => (call === 1 ? [] : boom())],
  ])("that throws %s is a fault of its plugin", async (_when, handler) => {
    let calls = 0;
    const faulty = hooks({ candidates: (x, all) => handler(x, all, ++calls) }, "faulty");
    const answer = await ask([memUpstream(refuse, targets), faulty]);
    expect(answer).toMatchObject({ status: 500, code: "plugin_error" });
    expect(answer.lines).toMatch(/plugin_error of plugin faulty in phase candidates.*boom/);
  });

  test("is not asked where a request needs no target", async () => {
    let asked = 0;
    const counting = hooks({
      candidates(_x, all) {
        asked += 1;
        return all;
      },
      admit: () => ({ status: 204 }),
    });
    expect([(await ask([memUpstream(), counting])).status, asked]).toEqual([204, 0]);
  });
});

function boom(): never {
  throw new Error("boom");
}
