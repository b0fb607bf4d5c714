import { definePlugin, type Exchange, ProxyError, type Reply, type Route } from "plugboard";
import { describe, expect, test } from "vitest";
import { deferred } from "../../wire/waiting.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";
import { answer, begin, finish, played, refuse } from "./played.ts";

const never = (): never => {
  throw new Error("recover was asked");
};

describe("the hook recover", () => {
  test("is asked when no attempt is left, with the error that is about to be told", async () => {
    const seen: string[] = [];
    const stage = await played([hooks({ recover: (_x, error) => void seen.push(error.code) })]);
    const response = stage.get();
    refuse(await stage.call(0));
    refuse(await stage.call(1));
    expect([(await response).status, seen]).toEqual([502, ["connect_failed"]]);
  });

  test("is asked when there is no target", async () => {
    const seen: string[] = [];
    const stage = await played([hooks({ recover: (_x, error) => void seen.push(error.code) })], { targets: [] });
    expect([(await stage.get()).status, seen]).toEqual([503, ["no_targets"]]);
  });

  test("is not asked while the rules of the route know a way on, nor for an answer", async () => {
    const stage = await played([hooks({ recover: never })]);
    const response = stage.get();
    refuse(await stage.call(0));
    answer(await stage.call(1));
    expect(await (await response).text()).toBe("b");
  });

  test("may have it tried again: also targets that were tried, and with all attempts", async () => {
    let asked = 0;
    const stage = await played([hooks({ recover: () => (++asked === 1 ? "retry" : undefined) })]);
    const response = stage.get();
    for (let i = 0; i < 3; i++) refuse(await stage.call(i));
    answer(await stage.call(3), "at last");
    expect(await (await response).text()).toBe("at last");
    expect(stage.calls.map(({ target }) => target.id)).toEqual(["a", "b", "a", "b"]);
    expect(asked).toBe(1);
  });

  test("may take its time", async () => {
    const free = deferred();
    const stage = await played([hooks({ recover: () => free.promise.then(() => "retry" as const) })], {
      targets: ["a"],
    });
    const response = stage.get();
    refuse(await stage.call(0));
    free.resolve();
    answer(await stage.call(1));
    expect(await (await response).text()).toBe("a");
  });

  test("may answer by itself", async () => {
    const reply: Reply = { status: 200, body: "from here" };
    const stage = await played([hooks({ recover: () => reply })], { targets: [] });
    expect(await (await stage.get()).text()).toBe("from here");
  });

  test("is asked plugin by plugin, until one knows a way", async () => {
    const asked: string[] = [];
    const one = (name: string, said?: Reply): ReturnType<typeof hooks> =>
      hooks(
        {
          recover() {
            asked.push(name);
            return said;
          },
        },
        name,
      );
    const stage = await played([one("first"), one("second", { status: 418 }), one("third")], { targets: [] });
    expect([(await stage.get()).status, asked]).toEqual([418, ["first", "second"]]);
  });

  test("may send it another way: by another route, to other targets", async () => {
    const other = definePlugin({
      name: "other",
      setup(proxy) {
        const route: Route = proxy.createRoute({
          name: "other",
          candidates: (all) => all.filter(({ id }) => id === "b"),
        });
        const first: Route = proxy.createRoute({
          name: "first",
          candidates: (all) => all.filter(({ id }) => id === "a"),
        });
        return {
          resolve: () => first,
          recover(x) {
            if (x.route === route) return undefined;
            x.route = route;
            return "retry";
          },
        };
      },
    });
    const stage = await played([other()]);
    const response = stage.get();
    refuse(await stage.call(0));
    answer(await stage.call(1));
    expect(await (await response).text()).toBe("b");
  });

  test("that always says retry ends all the same", async () => {
    let asked = 0;
    const again = hooks({
      recover() {
        asked += 1;
        return "retry";
      },
    });
    const stage = await played([again], { targets: [] });
    expect([(await stage.get()).status, asked]).toEqual([503, 100]);
  });

  test("that throws is a fault of its plugin", async () => {
    const stage = await played([hooks({ recover: never })], { targets: [] });
    expect((await stage.get()).headers.get("x-proxy-error")).toBe("plugin_error");
    expect(stage.proxy.lines.join()).toContain("recover");
  });

  test("that throws gives those behind it another error to recover from, or the client to be told", async () => {
    const asked: string[] = [];
    const full = new ProxyError("rate_limited", "Too many wait already.");
    const throwing = hooks({
      recover() {
        throw full;
      },
    });
    const behind = hooks({ recover: (_x, { code }) => void asked.push(code) }, "behind");
    const stage = await played([throwing, behind], { targets: [] });
    expect([(await stage.get()).status, asked]).toEqual([429, ["rate_limited"]]);
  });

  test("whose client leaves meanwhile changes nothing any more", async () => {
    const free = deferred();
    let waiting: Exchange | undefined;
    const asked = deferred();
    const stage = await played([
      hooks({
        recover(x) {
          waiting = x;
          asked.resolve();
          return free.promise.then(() => "retry" as const);
        },
      }),
    ]);
    const left = new AbortController();
    const response = stage.get({ signal: left.signal }).catch(() => "left");
    refuse(await stage.call(0));
    refuse(await stage.call(1));
    await asked.promise;
    left.abort();
    await stage.log.ended(1);
    free.resolve();
    await response;
    expect([waiting?.signal.aborted, stage.calls.length, stage.inflight()]).toEqual([true, 2, [0, 0]]);
  });

  test("is not asked once the client has a part of an answer", async () => {
    const stage = await played([hooks({ recover: never })], { targets: ["a"] });
    const response = stage.get();
    const call = await stage.call(0);
    begin(call);
    call.sink.data(Buffer.from("half"));
    const { body } = await response;
    call.sink.error(new Error("reset"));
    await expect(new Response(body).text()).rejects.toThrow();
  });
});

test("a plugin may send an answer's request another way before the client sees any of it", async () => {
  const moving = quickPlugin("moving", (proxy) => {
    const to = (id: string): Route =>
      proxy.createRoute({ name: id, candidates: (all) => all.filter((target) => target.id === id) });
    const [first, second] = [to("a"), to("b")];
    return {
      resolve: () => first,
      upstreamResponse(x, { status }) {
        if (status !== 429 || x.route === second) return undefined;
        x.route = second;
        return "retry";
      },
    };
  });
  const stage = await played([moving], { retry: { attempts: 1 } });
  const response = stage.get();
  const { sink } = await stage.call(0);
  sink.connected();
  sink.head(429, {});
  answer(await stage.call(1));
  expect(await (await response).text()).toBe("b");
});

test("an answer is told to observers, and sent, by the route it was asked for by", async () => {
  const told: (string | undefined)[] = [];
  const moving = quickPlugin("moving", (proxy) => {
    const [first, second] = [proxy.createRoute({ name: "first" }), proxy.createRoute({ name: "second" })];
    return {
      resolve: () => first,
      upstreamResponse(x) {
        x.route = second;
        return "retry";
      },
      attemptEnd: (x) => void told.push(x.route?.name),
    };
  });
  const stage = await played([moving], { targets: ["a"], retry: { attempts: 1 } });
  const response = stage.get();
  answer(await stage.call(0), "one");
  // It is of the second route now, and that has no more attempts.
  answer(await stage.call(1), "two");
  expect(await (await response).text()).toBe("two");
  await stage.log.ended(1);
  expect(told).toEqual(["first", "second"]);
});

test("what a fallback answers is counted as any attempt", async () => {
  const stage = await played([hooks({ recover: () => "retry" })], { targets: ["a"] });
  const response = stage.get();
  refuse(await stage.call(0));
  const second = await stage.call(1);
  begin(second);
  finish(second);
  await (await response).text();
  await stage.log.ended(1);
  expect(stage.log.attempts.map(({ kind }) => kind)).toEqual(["connect", "ok"]);
  expect(stage.inflight()).toEqual([0]);
});
