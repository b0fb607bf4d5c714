import { createCases, must, mustEqual } from "../verdict.mjs";
import { get, message, post, within } from "../wire.mjs";
import { a, json, models2, plugins, sha } from "./two-models.mjs";

/** Section D of the promises: bodies, and the model in them. */
export const models = [
  {
    id: "D1",
    promise: "A body that is no JSON, or names no model, is refused or arrives byte for byte",
    run: oddBodies,
  },
  { id: "D2", promise: "A model is the one that the upstream will read, or the request is refused", run: named },
  { id: "D3", promise: "Deep and wide bodies hold the others up for less than 50 ms", run: bombs },
  { id: "D4", promise: "Only the bytes of the model change, whatever else is in the body", run: exactBytes },
  { id: "D5", promise: "No key of a body, a query or a path is one of the proxy's own objects", run: prototypes },
  { id: "D12", promise: "No text of a client takes a pattern more than 50 ms", run: slowPatterns },
];

const binary = (text) => Buffer.from(text, "utf8").toString("latin1");

async function oddBodies(world) {
  const cases = createCases();
  const { first, second, proxy } = await models2(world);
  const odd = ["", "{", "[]", "null", "1", '"x"', "{}", '{"a":1}', "hello", "\u0000", '{"model":"a"', "{'model':1}"];
  for (const body of odd) {
    await cases.try(JSON.stringify(body), async () => {
      const before = first.requests.length + second.requests.length;
      const { status } = await world.exchange(proxy, post("/v1/x", body, json));
      if (status === 400)
        return mustEqual(first.requests.length + second.requests.length, before, "the requests upstream");
      mustEqual(status, 200, "the status");
      const got = [first, second].map(({ received }) => received.toString("latin1")).find((all) => all.endsWith(body));
      must(got !== undefined, "its bytes did not arrive");
    });
  }
  for (const method of ["GET", "DELETE", "HEAD"]) {
    await cases.try(method, async () => {
      const { status } = await world.exchange(proxy, message([`${method} /v1/x HTTP/1.1`, "Host: a"]), method);
      mustEqual(status, 200, "the status");
    });
  }
  return cases.verdict("bodies get a 400 or arrive unchanged");
}

async function named(world) {
  const cases = createCases();
  const { first, second, proxy } = await models2(world);
  const list = [
    [a, 200, "a"],
    ['{"x":{"model":"b"},"model":"a"}', 200, "a"],
    ['{"mod\\u0065l":"b"}', 200, "b"],
    ['{"model":"a","model":"a"}', 200, "a"],
    ['{"model":"\\u0061"}', 200, "a"],
    ['\ufeff{"model":"b"}', 200, "b"],
    ['{"messages":"\\"model\\":\\"b\\"","model":"a"}', 200, "a"],
    ['{"model":"a","model":"b"}', 400],
    ['{"model":"b","mod\\u0065l":"a"}', 400],
    ['{"model":"fast","model":"b"}', 400],
    ['{"model":["a"]}', 400],
    ['{"model":null}', 400],
    ['{"model":1}', 400],
    ['{"model":""}', 400],
    ['{"model":"a\\u0000"}', 400],
    ['{"model":"a\\r\\nb"}', 400],
    [`{"model":"${"a".repeat(257)}"}`, 400],
    [`{"model":"${"a".repeat(1_000_000)}"}`, 400],
    ['{"model":"none"}', 404],
  ];
  for (const [body, status, answer] of list) {
    await cases.try(body.slice(0, 60), async () => {
      const before = first.requests.length + second.requests.length;
      const response = await world.exchange(proxy, post("/v1/x", binary(body), json));
      mustEqual(response.status, status, "the status");
      if (status === 200) mustEqual(response.text, answer, "the upstream");
      else mustEqual(first.requests.length + second.requests.length, before, "the requests upstream");
    });
  }
  return cases.verdict("go where an upstream's reader would send them");
}

/** Tells the longest that its event loop stood still since it was asked last, in milliseconds. */
const lag = `definePlugin({
      name: "lag",
      setup(proxy) {
        const delay = process.getBuiltinModule("node:perf_hooks").monitorEventLoopDelay({ resolution: 1 });
        delay.enable();
        proxy.route("GET", "/lag", () => {
          const longest = delay.max / 1e6;
          delay.reset();
          return String(longest);
        });
      },
    })(),`;

async function bombs(world) {
  const cases = createCases();
  const { proxy } = await models2(world, { plugins: `${plugins} ${lag}` });
  const million = 1_000_000;
  const list = [
    ["a million lists in one another", `{"model":"a","x":${"[".repeat(million)}${"]".repeat(million)}}`, 400],
    ["a million objects in one another", '{"x":'.repeat(million), 400],
    ["a million keys", `{"model":"a",${Array.from({ length: 700_000 }, (_, n) => `"k${n}":0`).join()}}`, 200],
    ["7 MB of empty objects", `{"model":"a","x":[${"{},".repeat(2_300_000)}{}]}`, 200],
    ["7 MB of quotes that are escaped", `{"x":"${'\\"'.repeat(3_500_000)}","model":"a"}`, 200],
    ["4 MB of numbers", `{"model":"a","x":[${"1,".repeat(2_000_000)}1]}`, 200],
    ["4 MB of empty texts", `{"model":"a","x":[${'"",'.repeat(1_300_000)}1]}`, 200],
    ["7 MB of models", `{${'"model":"a",'.repeat(550_000)}"model":"a"}`, 400],
    ["14 MB", `{"model":"a","x":"${"x".repeat(14_000_000)}"}`, 413],
  ];
  const stalls = [];
  for (const [name, body, status] of list) {
    await cases.try(name, async () => {
      const bytes = Buffer.from(post("/v1/x", body, json), "latin1");
      const rounds = [];
      for (let round = 0; round < (world.full ? 20 : 5); round++) {
        await world.exchange(proxy, get("/lag"));
        const client = await world.client(proxy);
        void client.send(bytes);
        mustEqual((await within(client.response(), "an answer", 5_000)).status, status, "the status");
        client.destroy();
        rounds.push(Number((await world.exchange(proxy, get("/lag"))).text));
      }
      // The others are what else the machine had to do.
      const shortest = Math.min(...rounds);
      stalls.push(shortest);
      must(shortest < 50, `the event loop stood still for ${shortest.toFixed(1)} ms`);
    });
  }
  return cases.verdict(`bodies answered; the event loop stood still for ${Math.max(...stalls).toFixed(1)} ms at most`);
}

async function exactBytes(world) {
  const cases = createCases();
  const { first, proxy } = await models2(world);
  const rests = [
    '"n":12345678901234567890,"f":1.0,"z":-0,"e":1e400,"E":1E+2',
    '"s":"\\ud800","t":"\\u0000\\/\\u00e9","u":"é😀"',
    ' "z" : 1 ,\r\n\t"a" : [ ] , "b":{ }',
    '"__proto__":{"x":1},"constructor":1,"":0',
    '"a":NaN,"b":-Infinity',
  ];
  for (const rest of rests) {
    for (const [before, after] of [
      [`{${rest},"model":"fast"}`, `{${rest},"model":"a"}`],
      [`\ufeff {"model" : "f\\u0061st",${rest}} \n`, `\ufeff {"model" : "a",${rest}} \n`],
    ]) {
      await cases.try(before.slice(0, 40), async () => {
        const { status } = await world.exchange(proxy, post("/v1/x", binary(before), json));
        mustEqual(status, 200, "the status");
        const got = first.received.subarray(-Buffer.byteLength(after));
        mustEqual(sha(got), sha(Buffer.from(after)), "the hash of what arrived");
      });
    }
  }
  return cases.verdict("bodies arrived with another model and no other byte changed");
}

async function prototypes(world) {
  const cases = createCases();
  const { proxy } = await models2(world, { plugins: `${plugins} all.direct(), all.explain(),` });
  const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
  const tries = names.flatMap((name) => [
    post("/v1/x", `{"${name}":{"model":"b","polluted":1},"model":"a"}`, json),
    post("/v1/x", `{"model":"${name}"}`, json),
    post("/v1/x", `{"model":"direct/${name}/x"}`, json),
    get(`/${name}?${name}=1&${name}[polluted]=1`),
    get(`/explain?model=${name}&header=${name}:1`),
  ]);
  for (const [index, bytes] of tries.entries()) {
    await cases.try(`${names[Math.floor(index / 5)]} ${index % 5}`, async () => {
      const { status } = await world.exchange(proxy, bytes);
      must(status < 500 && status >= 200, `was answered with ${status}`);
      mustEqual((await world.exchange(proxy, post("/v1/x", a, json))).text, "a", "the next answer");
      must(proxy.lives(), "the process ended");
    });
  }
  return cases.verdict("names harm nothing");
}

async function slowPatterns(world) {
  const cases = createCases();
  const { proxy } = await models2(world, { trustedProxies: ["127.0.0.1"] });
  const long = (text, length = 16_000) => text.repeat(Math.ceil(length / text.length)).slice(0, length);
  const worst = { ms: 0 };
  const tries = [
    ...["a", "%2", "%2e", "/.", "/..;", ";%3b", "/%2e;", "%c3%a9", "//"].map((text) => get(`/${long(text)}`)),
    ...["?", "&a=", "%", "#"].map((text) => get(`/?${long(text)}`)),
    ...["a.", "[", "1:", "a:1:", "%2e"].map((text) => message(["GET / HTTP/1.1", `Host: ${long(text, 255)}`])),
    ...[",", "1.1.1.1,", " ,", "::1,", "a "].map((text) => get("/", `X-Forwarded-For: ${long(text, 30_000)}`)),
    ...[",", "close,", "a ,"].map((text) => get("/", `Connection: ${long(text, 30_000)}`)),
    ...[" ;", "application/json;", "+json"].map((text) => post("/", a, `Content-Type: ${long(text, 30_000)}`)),
    ...["Bearer ", " ", "a "].map((text) => get("/", `Authorization: ${long(text, 30_000)}`)),
    ...["a", "a*", "a/", "direct/"].map((text) => post("/v1/x", `{"model":"${long(text, 50_000)}"}`, json)),
    ...["a", "a/"].map((text) => post("/v1/x", `{"model":"${long(text, 256)}"}`, json)),
  ];
  for (const bytes of tries) {
    await cases.try(bytes.slice(0, 60), async () => {
      const client = await world.client(proxy);
      const startedAt = performance.now();
      void client.send(bytes);
      const { status } = await within(client.response(), "an answer");
      const ms = performance.now() - startedAt;
      worst.ms = Math.max(worst.ms, ms);
      must(status !== 500, "was answered with 500");
      must(ms < 50, `took ${ms.toFixed(1)} ms`);
      client.destroy();
    });
  }
  return cases.verdict(`texts answered, after ${worst.ms.toFixed(1)} ms at most`);
}
