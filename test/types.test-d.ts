import { describe, expectTypeOf, test } from "vitest";
import * as v from "valibot";
import {
  defineProxy,
  definePlugin,
  defineSelector,
  type Exchange,
  type Outcome,
  type Plugin,
  type ProxyConfig,
  type Selector,
  type StandardSchema,
  type Target,
} from "plugboard";
import { alias, inOrder, leastConnections, random, roundRobin, staticTargets } from "plugboard/plugins";
import { testSelector } from "plugboard/testing";

/** A schema that no library made: `port` comes as a text or a number and leaves as a number. */
declare const handMade: StandardSchema<{ port: string | number }, { port: number }>;

describe("definePlugin", () => {
  test("infers the options of setup and of the factory from a valibot schema", () => {
    const factory = definePlugin({
      name: "auth",
      options: v.strictObject({ keys: v.array(v.string()), realm: v.optional(v.string(), "api") }),
      setup(_proxy, options) {
        expectTypeOf(options).toEqualTypeOf<{ keys: string[]; realm: string }>();
      },
    });
    expectTypeOf(factory).toEqualTypeOf<(options: { keys: string[]; realm?: string | undefined }) => Plugin>();
  });

  test("tells what goes into a schema from what comes out", () => {
    const factory = definePlugin({
      name: "times",
      options: v.strictObject({ at: v.pipe(v.string(), v.transform(Date.parse)) }),
      setup(_proxy, { at }) {
        expectTypeOf(at).toEqualTypeOf<number>();
      },
    });
    expectTypeOf(factory).parameter(0).toEqualTypeOf<{ at: string }>();
  });

  test("infers options from any Standard Schema", () => {
    const factory = definePlugin({
      name: "server",
      options: handMade,
      setup(_proxy, { port }) {
        expectTypeOf(port).toEqualTypeOf<number>();
      },
    });
    expectTypeOf(factory).toEqualTypeOf<(options: { port: string | number }) => Plugin>();
  });

  test("lets the options be left out when all of them may be", () => {
    const factory = definePlugin({
      name: "limits",
      options: v.strictObject({ limit: v.optional(v.number(), 10) }),
      setup(_proxy, { limit }) {
        expectTypeOf(limit).toEqualTypeOf<number>();
      },
    });
    expectTypeOf(factory()).toEqualTypeOf<Plugin>();
    factory({});
    factory({ limit: 1 });
    // @ts-expect-error a limit is a number
    factory({ limit: "1" });
  });

  test("makes a factory without arguments when there is no schema", () => {
    const factory = definePlugin({ name: "bare", setup: () => undefined });
    expectTypeOf(factory).toEqualTypeOf<() => Plugin>();
    // @ts-expect-error it takes no options
    factory({});
  });

  test("refuses missing, wrong and unknown options", () => {
    const auth = definePlugin({
      name: "auth",
      options: v.strictObject({ keys: v.array(v.string()) }),
      setup: () => undefined,
    });
    auth({ keys: ["k"] });
    // @ts-expect-error the options are missing
    auth();
    // @ts-expect-error the keys are missing
    auth({});
    // @ts-expect-error a key is a string
    auth({ keys: [1] });
    // @ts-expect-error there is no such option
    auth({ keys: [], key: "k" });
    const server = definePlugin({ name: "server", options: handMade, setup: () => undefined });
    // @ts-expect-error a port is a text or a number
    server({ port: true });
  });

  test("refuses an unknown hook", () => {
    // @ts-expect-error there is no such hook
    definePlugin({ name: "x", setup: () => ({ nope() {} }) });
    // @ts-expect-error there is no such hook, also when setup is asynchronous
    definePlugin({ name: "x", setup: async () => ({ nope() {} }) });
    // @ts-expect-error nor beside one that there is
    definePlugin({ name: "x", setup: () => ({ end: () => undefined, nope() {} }) });
  });

  test("gives each hook its arguments", () => {
    definePlugin({
      name: "hooks",
      setup: () => ({
        request(x) {
          expectTypeOf(x).toEqualTypeOf<Exchange>();
        },
        attemptEnd(x, target, outcome) {
          expectTypeOf(x).toEqualTypeOf<Exchange>();
          expectTypeOf(target).toEqualTypeOf<Target>();
          expectTypeOf(outcome).toEqualTypeOf<Outcome>();
          return undefined;
        },
        upstreamResponse: (_x, head) => (head.status === 429 ? "retry" : undefined),
      }),
    });
  });

  test("takes a hook with its place among others", () => {
    definePlugin({
      name: "placed",
      setup: () => ({
        request: { handler: () => ({ status: 401 }), before: ["cors"], after: ["request-id"] },
        resolve: { handler: async () => ({ status: 404 }) },
        end: { handler: (_x, outcome) => void outcome.status, after: ["stats"] },
      }),
    });
    definePlugin({
      name: "misplaced",
      setup: () => ({
        // @ts-expect-error `after` is a list
        end: { handler: () => undefined, after: "stats" },
      }),
    });
    // @ts-expect-error a place alone is no hook
    definePlugin({ name: "x", setup: () => ({ end: { after: ["stats"] } }) });
    definePlugin({
      name: "asynchronous",
      setup: () => ({
        // @ts-expect-error the handler of an observer is not asynchronous either
        end: { handler: async () => undefined, after: ["stats"] },
      }),
    });
  });

  test("takes asynchronous gates", () => {
    definePlugin({
      name: "gates",
      setup: async () => ({
        request: async () => undefined,
        inspect: async () => ({ status: 400 }),
      }),
    });
  });

  test("refuses asynchronous observers", () => {
    // @ts-expect-error end is synchronous
    definePlugin({ name: "x", setup: () => ({ end: async () => {} }) });
    // @ts-expect-error end is synchronous, undefined or not
    definePlugin({ name: "x", setup: () => ({ end: async () => undefined }) });
    // @ts-expect-error attemptEnd is synchronous
    definePlugin({ name: "x", setup: () => ({ attemptEnd: async () => {} }) });
    // @ts-expect-error health is synchronous
    definePlugin({ name: "x", setup: () => ({ health: async () => {} }) });
  });

  test("refuses an asynchronous hook between the upstream's head and the commit", () => {
    // @ts-expect-error upstreamResponse is synchronous
    definePlugin({ name: "x", setup: () => ({ upstreamResponse: async () => "retry" as const }) });
    // @ts-expect-error error is synchronous
    definePlugin({ name: "x", setup: () => ({ error: async () => ({ status: 500 }) }) });
  });

  test("knows the kinds of services", () => {
    definePlugin({
      name: "services",
      setup(proxy) {
        expectTypeOf(proxy.use("selector", "random").value.create).returns.toEqualTypeOf<Selector>();
        // @ts-expect-error a discovery has to start
        proxy.provide("discovery", "x", {});
        // @ts-expect-error there is no such kind
        proxy.provide("chooser", "x", {});
      },
    });
  });
});

describe("defineSelector", () => {
  test("takes a pick alone", () => {
    const first = defineSelector({ name: "first", pick: (targets) => targets[0] });
    expectTypeOf(first()).toEqualTypeOf<Plugin>();
    // @ts-expect-error it takes no options
    first({});
  });

  test("infers the options of create", () => {
    const nth = defineSelector({
      name: "nth",
      options: v.strictObject({ n: v.optional(v.number(), 0) }),
      create(_pool, { n }) {
        expectTypeOf(n).toEqualTypeOf<number>();
        return { pick: (targets) => targets[n] };
      },
    });
    nth();
    nth({ n: 1 });
    // @ts-expect-error n is a number
    nth({ n: "1" });
  });

  test("refuses an asynchronous pick", () => {
    // @ts-expect-error pick is synchronous
    defineSelector({ name: "x", pick: async (targets) => targets[0] });
    defineSelector({
      name: "x",
      create: () => ({
        // @ts-expect-error pick is synchronous, also in a selector that create makes
        pick: async (targets: readonly Target[]) => targets[0],
      }),
    });
  });

  test("refuses to change the list or a target", () => {
    defineSelector({
      name: "x",
      pick(targets) {
        // @ts-expect-error the list belongs to all
        targets.sort(() => 0);
        // @ts-expect-error so do the targets
        if (targets[0]) targets[0].weight = 2;
        // @ts-expect-error and core keeps the counters
        if (targets[0]) targets[0].live.inflight += 1;
        return targets[0];
      },
    });
  });
});

describe("defineProxy", () => {
  test("returns what it is given, typed", () => {
    const config = defineProxy({
      port: 8000,
      plugins: [roundRobin(), false, [inOrder(), leastConnections()], null, undefined],
    });
    expectTypeOf(config).toExtend<ProxyConfig>();
    expectTypeOf(config.port).toEqualTypeOf<number | undefined>();
    defineProxy(async ({ mode }) => ({ plugins: [mode === "test" && random()] }));
  });

  test("refuses factories that were not called, and unknown settings", () => {
    // @ts-expect-error unknown setting
    defineProxy({ plugins: [], prot: 1 });
    // @ts-expect-error unknown limit
    defineProxy({ plugins: [], limits: { bdoy: 1 } });
    // @ts-expect-error call it: roundRobin()
    defineProxy({ plugins: [roundRobin] });
    // @ts-expect-error the plugins are missing
    defineProxy({ port: 8000 });
    // @ts-expect-error a port is a number
    defineProxy({ port: "8000", plugins: [] });
  });
});

test("the plugins' options are typed", () => {
  staticTargets({
    targets: ["http://127.0.0.1:8001", { url: "http://127.0.0.1:8002", weight: 2 }],
    pool: "a",
  });
  random({ random: Math.random });
  // @ts-expect-error there have to be targets
  staticTargets();
  // @ts-expect-error a target has a url
  staticTargets({ targets: [{ weight: 1 }] });
  // @ts-expect-error there is no such field
  staticTargets({ targets: [{ url: "http://127.0.0.1:8001", wieght: 1 }] });
  // @ts-expect-error it takes no options
  roundRobin({});
});

test("the targets of an alias are models or aliases, in groups or not", () => {
  alias();
  alias({
    fast: { targets: [{ model: "a", weight: 2, enabled: true }, { alias: "b" }], selector: random(), set: { n: 1 } },
    slow: { groups: [{ name: "first", targets: [{ model: "a", provider: "p" }], selector: "random" }], hidden: true },
  });
  // @ts-expect-error a target is a model or an alias, not both
  alias({ fast: { targets: [{ model: "a", alias: "b" }] } });
  // @ts-expect-error an alias is of no provider
  alias({ fast: { targets: [{ alias: "b", provider: "p" }] } });
  // @ts-expect-error a target needs one of them
  alias({ fast: { targets: [{ provider: "p" }] } });
  // @ts-expect-error a group has targets
  alias({ fast: { groups: [{ name: "first" }] } });
  // @ts-expect-error a selector is a name or a plugin
  alias({ fast: { targets: [{ model: "a" }], selector: random } });
});

test("the suites take the test function of vitest", () => {
  testSelector({ test, create: roundRobin, law: "proportional" });
  testSelector({ test, create: roundRobin, law: ["proportional", "frugal"], mayDecline: true });
  testSelector({ test, create: roundRobin, law: "consistent", exchange: (key) => ({ headers: { "x-key": key } }) });
  testSelector({ test, create: roundRobin, law: "measured", sample: (speed) => ({ outcome: { ttfb: speed.length } }) });
  // @ts-expect-error there is no such law
  testSelector({ test, create: roundRobin, law: "fair" });
  // @ts-expect-error an outcome has no such field
  testSelector({ test, create: roundRobin, sample: () => ({ outcome: { latency: 1 } }) });
});
