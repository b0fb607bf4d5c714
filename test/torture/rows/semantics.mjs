import { setTimeout as delay } from "node:timers/promises";
import { createCases, megabytes, must, mustEqual } from "../verdict.mjs";
import { answering, get, message, ok, post, postHead, within } from "../wire.mjs";
import { until } from "../world.mjs";
import { mustBeClean } from "./refusing.mjs";

/** Section F of the promises: what an answer, an upload or a plugin may do besides breaking off. */
export const semantics = [
  { id: "F-5", promise: "An answer whose length is not one is a 502, and never both framings", run: doubleFraming },
  { id: "F-7", promise: "A redirect of the upstream goes to the client and is never followed", run: redirects },
  { id: "F-9", promise: "An upstream that does not read stops the client's upload", run: noReader },
  { id: "F-11", promise: "A plugin that fails costs its own request and no other", run: faultyPlugins, naive: false },
];

async function doubleFraming(world) {
  const cases = createCases();
  const chunks = "4\r\nevil\r\n0\r\n\r\n";
  const shapes = {
    "a length, then chunks": [["Content-Length: 4", "Transfer-Encoding: chunked"], chunks],
    "chunks, then a length": [["Transfer-Encoding: chunked", "Content-Length: 4"], chunks],
    "two lengths": [["Content-Length: 4", "Content-Length: 5"], "evil!"],
    "a list of lengths": [["Content-Length: 4, 5"], "evil!"],
    "a length with a sign": [["Content-Length: +4"], "evil"],
    "another coding": [["Transfer-Encoding: gzip, chunked", "Content-Length: 4"], chunks],
  };
  const answers = Object.values(shapes).map(([lines, body]) => message(["HTTP/1.1 200 OK"].concat(lines), body));
  const { proxy: before } = await world.pair(answering(({ path }) => answers[path.slice(1)]));
  for (const [index, name] of Object.keys(shapes).entries()) {
    await cases.try(name, async () => {
      const { status, text } = await world.exchange(before, get(`/${index}`));
      mustEqual(status, 502, "the status");
      must(!text.includes("evil"), "the client saw some of it");
    });
  }
  await cases.try("a length of 0 and a body", async () => {
    const zero = message(["HTTP/1.1 200 OK", "Content-Length: 0"], ok("smuggled"));
    const { upstream, proxy } = await world.pair(answering(({ path }) => (path === "/zero" ? zero : ok(path))));
    const client = await world.client(proxy);
    for (const path of ["/zero", "/one", "/two"]) {
      await client.send(get(path));
      mustEqual((await within(client.response(), path)).text, path === "/zero" ? "" : path, `the answer to ${path}`);
    }
    await mustBeClean(world, proxy, upstream, { hostile: /smuggled/ });
  });
  return cases.verdict("answers with a double framing are refused or cut");
}

async function redirects(world) {
  const cases = createCases();
  const inner = await world.upstream(answering(ok("secret")));
  const location = `${inner.url}/secret`;
  const answer = ({ path }) =>
    message([`HTTP/1.1 ${path.slice(1)} Moved`, `Location: ${location}`, "Content-Length: 0"]);
  const { proxy } = await world.pair(answering(answer));
  for (const status of [301, 302, 303, 307, 308]) {
    for (const request of [get(`/${status}`), post(`/${status}`, "hello")]) {
      await cases.try(request.slice(0, 9), async () => {
        const response = await world.exchange(proxy, request);
        mustEqual([response.status, response.get("location")], [status, location], "the answer");
        mustEqual(inner.requests.length, 0, "the number of requests to where it points");
      });
    }
  }
  return cases.verdict("redirects passed on");
}

async function noReader(world) {
  const total = 2 ** 30;
  const upstream = await world.upstream(async (peer) => {
    const request = await peer.head();
    if (request.path === "/upload") return peer.stopReading();
    await request.whole();
    return peer.write(ok("", "Connection: close"));
  });
  const proxy = await world.proxy([upstream], { limits: { body: total } });
  await world.exchange(proxy, post("/warm", "a".repeat(1_000_000)));
  const before = proxy.memory();
  const count = 16;
  const piece = Buffer.alloc(65_536, "a");
  const sent = Array.from({ length: count }, () => 0);
  for (let index = 0; index < count; index++) {
    const client = await world.client(proxy);
    await client.send(postHead("/upload", total));
    void (async () => {
      for (; sent[index] < total; sent[index] += piece.length) await client.send(piece);
    })();
  }
  let peak = 0;
  const end = performance.now() + 2_000;
  for (; performance.now() < end; await delay(50)) peak = Math.max(peak, proxy.memory() - before);
  const taken = Math.max(...sent);
  must(taken < 16 * 2 ** 20, `${megabytes(taken)} were taken from a client`);
  must(peak / count < 8 * 2 ** 20, `each costs ${megabytes(peak / count)}`);
  return {
    kept: true,
    figure: `${count} of them: ${megabytes(peak / count)} each, ${megabytes(taken)} taken of 1 GiB`,
  };
}

/** Each way in which a hook may fail, for the hooks in which it may. */
const faults = {
  throws: {
    code: 'throw new Error("boom")',
    hooks: [
      "request",
      "inspect",
      "resolve",
      "admit",
      "candidates",
      "upstreamRequest",
      "upstreamResponse",
      "error",
      "attemptEnd",
      "end",
    ],
  },
  rejects: {
    code: 'return Promise.reject(new Error("boom"))',
    hooks: ["request", "inspect", "resolve", "admit", "upstreamRequest", "attemptEnd", "end"],
  },
  "returns nonsense": {
    code: "return 42",
    hooks: ["request", "inspect", "resolve", "admit", "candidates", "upstreamRequest", "upstreamResponse"],
  },
  "answers twice": { code: 'x.node.res.end("mine"); return { status: 204 }', hooks: ["request"] },
};
/** Needed where another plugin resolves too. */
const resolver = `definePlugin({ name: "resolver", setup(proxy) {
  const route = proxy.createRoute({ name: "all" });
  return { resolve: () => route };
} })(),`;
const quiet = new Set(["attemptEnd", "end"]);

async function faultyPlugins(world) {
  const cases = createCases();
  const { upstream, proxy } = await world.pair(
    answering(({ path }) => ok(path)),
    {
      plugins: Object.entries(faults)
        .flatMap(([how, { code, hooks }]) => hooks.map((hook) => faultyPlugin(hook, how, code)))
        .concat(resolver)
        .join("\n"),
    },
  );
  for (const [how, { hooks }] of Object.entries(faults)) {
    for (const hook of hooks) {
      await cases.try(`${hook} ${how}`, async () => {
        const path = pathOf(hook, how);
        const [answer, other] = await Promise.allSettled([
          world.exchange(proxy, get(path)),
          world.exchange(proxy, get("/good")),
        ]);
        mustEqual([other.value?.status, other.value?.text], [200, "/good"], "the answer to another request");
        must(proxy.lives(), "the process ended");
        if (answer.status === "rejected") throw answer.reason;
        const { status, text } = answer.value;
        must(!text.includes("boom"), `the client is told ${text}`);
        if (quiet.has(hook)) mustEqual([status, text], [200, path], "the answer, which was through already,");
        else if (hook === "error") mustEqual(status >= 400, true, "being an error");
        else if (how !== "answers twice" && !(hook === "upstreamRequest" && how === "returns nonsense"))
          must(status === 500 || status === 200, `the status is ${status}`);
        if (how === "throws" && !quiet.has(hook) && hook !== "error") mustEqual(status, 500, "the status");
      });
    }
  }
  await cases.try("an async hook that never settles", async () => {
    const client = await world.client(proxy);
    await client.send(get("/never"));
    mustEqual((await world.exchange(proxy, get("/good"))).status, 200, "the status of another request meanwhile");
    client.reset();
  });
  await cases.try("nothing is left behind", () => world.idle(proxy));
  await until(() => proxy.errors.length + proxy.lines.length > 0, "it is logged");
  await cases.try("good requests", () => must(upstream.requests.length > 0, "none reached the upstream"));
  return cases.verdict("faults in hooks cost one request each");
}

function pathOf(hook, how) {
  return `/${hook}-${how.replaceAll(" ", "-")}`;
}

function faultyPlugin(hook, how, code) {
  const path = pathOf(hook, how);
  const wrong = hook === "error" ? `resolve(x) { if (x.path === "${path}") throw new Error("first"); },` : "";
  const name = path.slice(1).toLowerCase();
  return `definePlugin({ name: "${name}", setup: () => ({
    ${wrong}
    ${hook}(x, second) { if (x.path === "${path}") { ${code}; } ${hook === "candidates" ? "return second;" : ""} },
  }) })(),`;
}
