import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok, post, within } from "../wire.mjs";
import { until } from "../world.mjs";
import { json, key, provider, withProviders } from "./with-providers.mjs";

/** The rest of section J of the promises: who may name an upstream, and administer. */
export const naming = [
  { id: "J1", promise: "No field of a request names an upstream, and no key goes to another", run: ownUpstreams },
  {
    id: "J2",
    promise: "A registered address that is metadata, link-local or in disguise is never connected to",
    run: ssrf,
  },
  { id: "J7", promise: "The admin paths are for this machine or a token, by one spelling only", run: adminPaths },
  {
    id: "J12",
    promise: "A file of targets is data: bombs, tags, unknown keys and other files' bytes are refused",
    run: files,
  },
];

async function ownUpstreams(world) {
  const cases = createCases();
  const own = await world.upstream(answering(ok()));
  const evil = await world.upstream(answering(ok("evil")));
  const proxy = await world.proxy(undefined, {
    plugins: withProviders({ own: provider(own, key, { models: ["m"] }) }),
  });
  const { url, port } = evil;
  const fields = ["api_base", "base_url", "url", "target", "provider", "upstream", "host", "endpoint", "custom_host"];
  const headers = (
    "X-Forwarded-Host X-Host X-Original-URL X-Rewrite-URL Forwarded X-Target X-Portkey-Custom-Host X-Api-Base " +
    "X-Plugboard-Target X-Backend Proxy Destination Location"
  ).split(" ");
  const tries = [
    ...fields.map((name) => [`body ${name}`, post("/v1/x", `{"model":"m","${name}":"${url}"}`, json)]),
    ...fields.map((name) => [`query ${name}`, post(`/v1/x?${name}=${url}`, '{"model":"m"}', json)]),
    ...headers.map((name) => [name, post("/v1/x", '{"model":"m"}', json, `${name}: ${url}`)]),
    ["Host", message([`POST /v1/x HTTP/1.1`, `Host: 127.0.0.1:${port}`, json, "Content-Length: 13"], '{"model":"m"}')],
    ["absolute form", message([`GET ${url}/x HTTP/1.1`, `Host: 127.0.0.1:${port}`])],
    ["absolute form of another host", message([`GET ${url}/x HTTP/1.1`, "Host: a"])],
    ...["/", "//", "/@", "/http://", "/direct/", "/proxy/"].map((start) => [
      `path ${start}`,
      get(`${start}127.0.0.1:${port}/x`),
    ]),
    ...[url, `direct/${url}/m`, `direct/127.0.0.1:${port}/m`, `own@127.0.0.1:${port}/m`, `//127.0.0.1:${port}`].map(
      (model) => [`model ${model}`, post("/v1/x", JSON.stringify({ model }), json)],
    ),
  ];
  for (const [name, bytes] of tries) {
    await cases.try(name, async () => {
      const { text } = await world.exchange(proxy, bytes);
      must(evil.peers.length === 0, "it was connected to");
      must(!text.includes("evil"), "it answered");
    });
  }
  await cases.try("a key for its own upstream only", () =>
    must(own.received.includes(key), "the upstream did not get its key"),
  );
  return cases.verdict("fields name nothing");
}

/** Hosts that no registry's word makes an upstream of. */
const hostile = [
  "169.254.169.254|169.254.0.1|169.254.170.2|100.100.100.200|192.0.0.192|0.0.0.0|0.1.2.3|224.0.0.1|255.255.255.255",
  "2852039166|0xa9fea9fe|0251.0376.0251.0376|169.254.43518|0xa9.0xfe.0xa9.0xfe|0|00000000",
  "[::ffff:169.254.169.254]|[::ffff:a9fe:a9fe]|[fe80::1]|[fd00:ec2::254]|[::]|[::169.254.169.254]|[64:ff9b::a9fe:a9fe]",
  "[2002:a9fe:a9fe::1]|[ff02::1]|8.8.8.8|1.1.1.1|172.32.0.1|[2001:4860:4860::8888]|[::ffff:8.8.8.8]|134744072|0x08080808",
].flatMap((line) => line.split("|"));

const hostileUrls = [
  "file:///etc/passwd|unix:/var/run/docker.sock|ftp://127.0.0.1/|gopher://127.0.0.1:25/|javascript:alert(1)|data:,x",
  "http://user:pass@127.0.0.1:80|http://127.0.0.1:80@169.254.169.254/|http://169.254.169.254#@127.0.0.1/|http:127.0.0.1",
  "http://127.0.0.1\\@169.254.169.254/|http://127.0.0.1:80/?x=1|http://127.0.0.1:99999|//127.0.0.1|http://|http:///x| ",
].flatMap((line) => line.split("|"));

/** What programs call all their addresses: the registry takes the one they came from instead. */
const anywhere = new Set(["0.0.0.0", "[::]"]);

async function ssrf(world) {
  const cases = createCases();
  const works = await world.upstream(answering(ok("works")));
  const listed = { services: [] };
  const registry = await world.upstream(
    answering(() => ok(JSON.stringify({ services: listed.services, total: listed.services.length }), json)),
  );
  const plugins = `all.registry({ prefix: "/registry", healthInterval: 0 }), all.registryTargets({ url: "${registry.url}", interval: 50, watch: false, grace: 0, keep: 300000 }),`;
  const proxy = await world.proxy(undefined, { plugins });
  const register = async (fields) => {
    const service = {
      name: "x",
      host: "127.0.0.1",
      port: works.port,
      hostname: "n",
      url: works.url,
      status: "running",
    };
    const body = JSON.stringify({ ...service, metadata: { type: "openai-api" }, ...fields });
    const bytes = post("/registry/services", body, json).replace("Host: proxy.test", "Host: 127.0.0.1");
    return (await world.exchange(proxy, bytes)).status;
  };
  for (const host of hostile.filter((one) => !anywhere.has(one))) {
    await cases.try(`registering ${host}`, async () => {
      const bare = host.replace(/^\[(.*)\]$/, "$1");
      const statuses = [
        await register({ host: bare, url: `http://${host}:80` }),
        await register({ url: `http://${host}:80` }),
      ];
      must(
        statuses.every((status) => status >= 400 && status < 500),
        `was answered with ${statuses.join()}`,
      );
    });
  }
  for (const url of hostileUrls) {
    await cases.try(`registering ${url}`, async () => {
      const status = await register({ url });
      must(status >= 400 && status < 500, `was answered with ${status}`);
    });
  }
  await cases.try("registering a good one", async () => mustEqual(await register({}), 201, "the status"));
  await cases.try("following a registry that lists all of them", async () => {
    const service = (name, url) => ({
      name,
      url,
      host: "h",
      port: 80,
      status: "running",
      is_healthy: true,
      metadata: { type: "openai-api" },
    });
    listed.services = [...hostile.map((host) => `http://${host}:80`), ...hostileUrls, works.url].map((url, index) =>
      service(`s${index}`, url),
    );
    await until(async () => (await world.exchange(proxy, get("/"))).text === "works", "the good one serves");
    const { services } = JSON.parse((await world.exchange(proxy, get("/services"))).text);
    const urls = services.map(({ url }) => url);
    mustEqual(urls, [works.url], "the targets");
  });
  return cases.verdict("addresses are as they should be");
}

async function adminPaths(world) {
  const cases = createCases();
  const token = "cnry-admin-0123456789";
  const { upstream, proxy } = await world.pair(answering(ok("upstream")), {
    plugins: `(await import("plugboard/plugins/admin/admin")).admin(),`,
  });
  const local = "Host: 127.0.0.1";
  const ask = (target, ...lines) => world.exchange(proxy, message([`GET ${target} HTTP/1.1`, ...lines]));
  await cases.try("this machine", async () => mustEqual((await ask("/admin/status", local)).status, 200, "the status"));
  const strangers = [
    ["a name that was made to lead here", "Host: evil.test"],
    ["a page of another site", local, "Origin: http://evil.test"],
    ["a page of another site, by its fetch", local, "Sec-Fetch-Site: cross-site"],
    ["a proxy in between", local, "X-Forwarded-For: 8.8.8.8"],
  ];
  for (const [name, ...lines] of strangers)
    await cases.try(name, async () => mustEqual((await ask("/admin/status", ...lines)).status, 403, "the status"));
  const spelt = [
    "//admin/status",
    "/admin//status",
    "/admin/./status",
    "/x/../admin/status",
    "/admin%2fstatus",
    "/%61dmin/status",
  ];
  for (const path of [
    ...spelt,
    "/ADMIN/status",
    "/admin/status;x",
    "/admin;x/status",
    "/admin/status/",
    "/admin\\status",
  ]) {
    await cases.try(path, async () => {
      const { text } = await ask(path, "Host: evil.test");
      must(!/pools|listeners/.test(text), "it was answered");
    });
  }
  await cases.try("CORS", async () => {
    const preflight = [
      "OPTIONS /admin/status HTTP/1.1",
      local,
      "Origin: http://evil.test",
      "Access-Control-Request-Method: POST",
    ];
    mustEqual(
      (await world.exchange(proxy, message(preflight))).get("access-control-allow-origin"),
      undefined,
      "what is allowed",
    );
  });
  const guarded = await world.proxy([upstream], {
    plugins: `(await import("plugboard/plugins/admin/admin")).admin({ token: "${token}" }),`,
  });
  for (const [shown, status] of [
    ["", 401],
    [`Bearer ${token}x`, 401],
    [token, 401],
    ["Bearer ", 401],
    [`Bearer ${token}`, 200],
  ]) {
    await cases.try(`the token ${JSON.stringify(shown)}`, async () => {
      const lines = ["GET /admin/status HTTP/1.1", local, ...(shown === "" ? [] : [`Authorization: ${shown}`])];
      mustEqual((await world.exchange(guarded, message(lines))).status, status, "the status");
    });
  }
  await cases.try("a token of 8 bytes", async () => {
    const started = world.proxy([upstream], {
      plugins: `(await import("plugboard/plugins/admin/admin")).admin({ token: "12345678" }),`,
    });
    const refused = await started.then(
      () => "started",
      (error) => error.message,
    );
    must(/ended with 2/.test(refused), `it ${refused}`);
  });
  await cases.try("beyond this machine without a token", async () => {
    const started = world.proxy([upstream], {
      plugins: `(await import("plugboard/plugins/admin/admin")).admin(),`,
      host: "0.0.0.0",
    });
    const refused = await started.then(
      () => "started",
      (error) => error.message,
    );
    must(/ended with 2/.test(refused), `it ${refused}`);
  });
  return cases.verdict("asked as they should be");
}

async function files(world) {
  const cases = createCases();
  const folder = mkdtempSync(join(tmpdir(), "plugboard-torture-files-"));
  world.defer(() => rmSync(folder, { recursive: true, force: true }));
  const upstream = await world.upstream(answering(ok()));
  const laughs = [
    "a: &a [x,x,x,x,x,x,x,x,x,x]",
    ..."bcdefghi".split("").map((name, index) => {
      const before = `*${"abcdefgh"[index]}`;
      return `${name}: &${name} [${Array(10).fill(before).join()}]`;
    }),
  ].join("\n");
  const bad = [
    ["aliases of aliases", "yaml", `${laughs}\ntargets: *i`],
    ["a list in itself", "yaml", "targets: &a [*a]"],
    ["a tag of JavaScript", "yaml", 'targets: !!js/function "function(){}"'],
    ["a tag of Python", "yaml", 'targets: !!python/object/apply:os.system ["true"]'],
    ["a merge key", "yaml", "targets:\n  - <<: {url: 'http://127.0.0.1:1'}"],
    ["an unknown key", "yaml", "targets:\n  - url: http://127.0.0.1:1\n    wieght: 1"],
    ["__proto__", "json", '[{"url":"http://127.0.0.1:1","__proto__":{"weight":1}}]'],
    ["__proto__ in TOML", "toml", '[[targets]]\nurl = "http://127.0.0.1:1"\n[targets.__proto__]\nweight = 1'],
    ["100,000 lists in one another", "json", "[".repeat(100_000)],
    ["10,000 lists in one another", "yaml", "[".repeat(10_000)],
    ["tables in one another", "toml", `a = ${"[".repeat(50_000)}`],
    ["2 MB", "json", `[${" ".repeat(2_000_000)}]`],
    ["what is not UTF-8", "json", Buffer.from([0x5b, 0xff, 0x5d])],
    ["another file's bytes", "json", "link"],
    ["nothing", "yaml", ""],
  ];
  const state = { count: 0 };
  for (const [name, kind, text] of bad) {
    await cases.try(name, async () => {
      const path = join(folder, `${state.count++}.${String(kind)}`);
      if (text === "link") symlinkSync("/etc/passwd", path);
      else writeFileSync(path, text);
      const plugins = `all.fileTargets({ path: ${JSON.stringify(path)}, pool: "files" }),`;
      const started = within(world.proxy([upstream], { plugins }), "a start that is refused", 8_000);
      const told = await started.then(
        () => "started",
        (error) => error.message,
      );
      must(/^the proxy ended with [12]/.test(told), told.slice(0, 200));
      must(!/root:|Maximum call stack|\n\s+at /.test(told), `it told too much: ${told}`);
    });
  }
  return cases.verdict("files are refused at the start, with words");
}
