import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, ok, post } from "../wire.mjs";

/** The rest of section C of the promises: names that claim to be somebody else's, and what the proxy itself adds. */
export const claims = [
  { id: "C4", promise: "What plugins tell each other in x-plugboard-* cannot come from a client", run: internalNames },
  { id: "C5", promise: "A name with an underscore is no second spelling of one with a hyphen", run: underscores },
  {
    id: "C11",
    promise: "A line end in a name or value of config or request is refused, and splits nothing",
    run: lineEnds,
  },
  { id: "C12", promise: "What the proxy adds to a head is below 1 KiB, and nothing unless asked for", run: added },
];

async function internalNames(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering(ok()), { plugins: "all.routingHeaders()," });
  for (const name of ["Target", "Attempts", "Route", "Alias", "Anything"]) {
    await cases.try(name, async () => {
      const response = await world.exchange(proxy, get("/", `X-Plugboard-${name}: spoofed`));
      mustEqual(upstream.requests.at(-1).values(`x-plugboard-${name}`), [], "what the upstream got");
      must(!response.values(`x-plugboard-${name}`).includes("spoofed"), "the client got it back");
    });
  }
  return cases.verdict("names stop here");
}

async function underscores(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(answering((request) => ok(request.text)));
  const lines = "Transfer_Encoding: chunked|Content_Length: 99|Authorization_: a|X_User: a|X_Forwarded_For: a|Host_: a";
  for (const line of [...lines.split("|"), "_: a", "__proto__: a"]) {
    await cases.try(line, async () => {
      const response = await world.exchange(proxy, post("/", "hello", line));
      mustEqual([response.status, response.text], [200, "hello"], "the answer");
      const [name] = line.split(":");
      mustEqual(upstream.requests.at(-1).values(name), [], "what the upstream got");
    });
  }
  return cases.verdict("names stop here");
}

async function lineEnds(world) {
  const cases = createCases();
  const upstream = await world.upstream(answering(ok()));
  const smuggling = "a\r\nX-Evil: evil";
  const target = { url: upstream.url, id: smuggling };
  const configs = [
    ["the id of a target", `all.staticTargets({ targets: [${JSON.stringify(target)}] }),`],
    ["the URL of a target", `all.staticTargets({ targets: [${JSON.stringify(`${upstream.url}/${smuggling}`)}] }),`],
    [
      "the header of a provider",
      `all.providers({ p: { url: "${upstream.url}", headers: { "x-a": ${JSON.stringify(smuggling)} } } }),`,
    ],
    [
      "the key of a provider",
      `all.providers({ p: { url: "${upstream.url}", auth: { key: ${JSON.stringify(smuggling)} } } }),`,
    ],
    ["the name of a provider", `all.providers({ ${JSON.stringify(smuggling)}: { url: "${upstream.url}" } }),`],
  ];
  for (const [name, plugins] of configs) {
    await cases.try(name, async () => {
      const started = world.proxy(undefined, { plugins });
      const told = await started.then(
        () => "started",
        (error) => error.message,
      );
      must(told.startsWith("the proxy ended with 2"), `it ${told.slice(0, 80)}`);
    });
  }
  const setting = `definePlugin({
      name: "setting",
      setup: () => ({
        upstreamRequest: (x) => void (x.upstream.headers["x-a"] = x.search === "?up" ? ${JSON.stringify(smuggling)} : "a"),
        upstreamResponse: (x, head) => void (head.headers["x-b"] = x.search === "?down" ? ${JSON.stringify(smuggling)} : "b"),
      }),
    })(),`;
  const proxy = await world.proxy([upstream], { plugins: setting });
  for (const path of ["/?up", "/?down"]) {
    await cases.try(`a plugin's header, ${path}`, async () => {
      const { status, headers } = await world.exchange(proxy, get(path));
      must(status >= 500 && !headers.flat().includes("evil"), `was answered with ${status}`);
      must(!upstream.received.includes("evil"), "it reached the upstream");
      mustEqual((await world.exchange(proxy, get("/"))).status, 200, "the next answer");
    });
  }
  return cases.verdict("are refused, at the start or for that request only");
}

async function added(world) {
  const cases = createCases();
  const [alias, long] = ["f".repeat(255), "m".repeat(250)];
  const sizeOf = ({ headers }) => headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  const upstream = await world.upstream(answering(ok()));
  const targets = [{ url: upstream.url, target: { id: `a${"/".repeat(250)}`, models: [long] } }];
  const model = `all.alias({ ["${alias}"]: { targets: [{ model: "${long}" }] } }), all.model(),`;
  const [plain, telling] = [
    await world.proxy(targets, { plugins: model }),
    await world.proxy(targets, { plugins: `${model} all.routingHeaders(),` }),
  ];
  const body = JSON.stringify({ model: alias });
  const ask = (proxy) => world.exchange(proxy, post("/v1/x", body, "Content-Type: application/json"));
  const sizes = [sizeOf(await ask(plain)), sizeOf(await ask(telling))];
  await cases.try("unasked", () => must(sizes[0] < 256, `adds ${sizes[0]} bytes`));
  await cases.try("asked for, of the longest names", () =>
    must(sizes[1] - sizes[0] < 1_024, `adds ${sizes[1] - sizes[0]} bytes`),
  );
  return cases.verdict(`heads are small: ${sizes[0]} bytes, and ${sizes[1] - sizes[0]} more at most`);
}
