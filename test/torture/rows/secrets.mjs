import { createHash } from "node:crypto";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok, post } from "../wire.mjs";
import { until } from "../world.mjs";
import { clientKey, json, key, other, provider, withProviders } from "./with-providers.mjs";

const cookie = "cnry-cookie-0123456789";

/** Section J of the promises: what is never told, and to whom. */
export const secrets = [
  { id: "J9", promise: "No key is in a log, an error, an explanation or a statistic", run: canaries },
  { id: "J10", promise: "Whatever a client sends, a log line is one line of JSON below 4 KiB", run: logLines },
  { id: "J11", promise: "A client's credentials stop here, and a fallback gets its own key only", run: crossing },
];

const encodings = (secret) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString("hex"),
  ...[0, 1, 2].map((before) =>
    Buffer.from("x".repeat(before) + secret)
      .toString("base64")
      .slice(before && 4, -4),
  ),
];

async function canaries(world) {
  const cases = createCases();
  const fails = await world.upstream(answering(({ headers }) => `garbage ${JSON.stringify(headers)}\r\n\r\n`));
  const cuts = await world.upstream((peer) => peer.reset());
  const works = await world.upstream(answering(ok()));
  const guard = `all.keys({ keys: [{ name: "c", hash: "${createHash("sha256").update(clientKey).digest("hex")}" }] }),`;
  const providers = {
    fails: provider(fails, key, { models: ["fails"], headers: { "x-org-key": other } }),
    cuts: provider(cuts, key, { models: ["cuts"] }),
    works: provider(works, key, { models: ["m"] }),
  };
  const proxy = await world.proxy(undefined, {
    plugins: `${guard} ${withProviders(providers)} all.explain(), all.openaiErrors(),`,
  });
  const said = [];
  const lines = (secret) => [`Authorization: Bearer ${secret}`, `Cookie: a=${cookie}`, json];
  const query = `?key=${cookie}&api_key=${cookie}`;
  said.push(await world.exchange(proxy, get(`/v1/x?key=${clientKey}`, ...lines(clientKey))));
  for (const model of ["fails", "cuts", "m", "fast", "none", "direct/fails/x"]) {
    for (const secret of [clientKey, other])
      said.push(await world.exchange(proxy, post(`/v1/x${query}`, JSON.stringify({ model }), ...lines(secret))));
  }
  said.push(await world.exchange(proxy, post(`/v1/x${query}`, "{", ...lines(clientKey))));
  said.push(await world.exchange(proxy, message([`GET /${query} HTTP/1.1`, "Host: a,b", ...lines(clientKey)])));
  said.push(await world.exchange(proxy, message([`GET /${query} HTTP/1.1`, "Host: a", ...lines(clientKey), "broken"])));
  const asked = `header=authorization:${encodeURIComponent(` Bearer ${clientKey}`)}&path=${encodeURIComponent(`/v1/x${query}`)}`;
  for (const path of [
    "/stats",
    "/services",
    "/ready",
    "/explain?model=fast",
    "/explain?model=fails",
    `/explain?${asked}`,
  ])
    said.push(await world.exchange(proxy, get(path, ...lines(clientKey))));
  const all = JSON.stringify([said.map(({ text, headers }) => [text, headers]), proxy.lines, proxy.errors]);
  must(works.received.includes(key), `the key was not used at all: ${said.at(-1).text}`);
  for (const [name, secret] of Object.entries({ key, other, clientKey, cookie })) {
    await cases.try(name, () => {
      const found = encodings(secret).find((text) => all.includes(text));
      must(
        found === undefined,
        `stands in ${all.slice(Math.max(0, all.indexOf(found) - 100), all.indexOf(found) + 20)}`,
      );
    });
  }
  return cases.verdict(`secrets stand in none of ${all.length} characters that were told`);
}

async function logLines(world) {
  const cases = createCases();
  const { proxy } = await world.pair(answering(ok()), { plugins: "all.model()," });
  const evil = [
    "\u001b[2J",
    "\u2028",
    "\u0085",
    "\u202e",
    "\ufeff",
    '","flag":"-"}',
    "\\u000a{}",
    "%0a%0d{}",
    "\u007f",
    "😀".repeat(60),
  ];
  const tries = [
    ...evil.map((text) => post("/v1/x", Buffer.from(JSON.stringify({ model: `m${text}` })).toString("latin1"), json)),
    ...evil.map((text) => get(`/${encodeURIComponent(text).slice(0, 200)}`)),
    ...["\x1b[2J", "\x85", "\xe2\x80\xa8", '"}\\', "a".repeat(20_000)].map((text) => get("/", `User-Agent: ${text}`)),
    ...["\xe2\x80\xae", '"', "a".repeat(20_000)].map((text) => get("/", `X-Request-Id: ${text}`)),
    post("/v1/x", `{"model":"${"m".repeat(1_000_000)}"}`, json),
    get(`/${"a".repeat(16_000)}`),
  ];
  for (const [index, bytes] of tries.entries()) {
    await cases.try(bytes.slice(0, 60), async () => {
      const before = proxy.lines.length;
      const { status } = await world.exchange(proxy, bytes);
      await until(() => proxy.lines.length > before || status === 400, "its line");
      const wrong = proxy.lines.slice(before).find((line) => line.text !== undefined);
      must(wrong === undefined, `line ${index} is no JSON: ${String(wrong?.text).slice(0, 80)}`);
      const longest = Math.max(0, ...proxy.lines.slice(before).map((line) => Buffer.byteLength(JSON.stringify(line))));
      must(longest < 4_096, `a line has ${longest} bytes`);
    });
  }
  return cases.verdict("log lines are one line each");
}

async function crossing(world) {
  const cases = createCases();
  const first = await world.upstream((peer) => peer.request().then(() => peer.reset()));
  const second = await world.upstream(answering(ok("second")));
  const none = await world.upstream(answering(ok("none")));
  const plugins = withProviders({
    first: provider(first, key, { models: ["m"] }),
    second: provider(second, other, { models: ["m"] }),
    stripped: provider(none, other, { models: ["n"], auth: { type: "x-api-key", key: other } }),
  }).replace("all.alias", "all.inOrder(), all.alias");
  const proxy = await world.proxy(undefined, { plugins, retry: { nonIdempotent: true } });
  const credentials = ["Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Proxy-Authorization", "Cookie"];
  for (const name of credentials) {
    for (const model of ["m", "fast", "n", "direct/second/m"]) {
      await cases.try(`${name}, ${model}`, async () => {
        const bytes = post(`/v1/x?key=${clientKey}&a=1`, JSON.stringify({ model }), json, `${name}: ${clientKey}`);
        mustEqual((await world.exchange(proxy, bytes)).status, 200, "the status");
      });
    }
  }
  const sees = (upstream, secret) => upstream.received.includes(secret);
  await cases.try("the client's credentials", () =>
    must(![first, second, none].some((upstream) => sees(upstream, clientKey)), "an upstream got them"),
  );
  await cases.try("the keys", () => {
    must(sees(first, key) && sees(second, other) && sees(none, other), "an upstream did not get its own");
    must(!sees(first, other) && !sees(second, key) && !sees(none, key), "an upstream got that of another");
  });
  return cases.verdict("requests kept the keys apart");
}
