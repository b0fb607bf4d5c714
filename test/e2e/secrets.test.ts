import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { closedUrl } from "../wire/closed-port.ts";
import { answering, type EvilUpstream, evilUpstream, type Script } from "../wire/evil-upstream.ts";
import { chunk, message, ok, okEvents } from "../wire/messages.ts";
import { type Child, createCanaries, createOutput, createProject, runCommand, serveCommand } from "./secrets-rig.ts";

vi.setConfig({ testTimeout: 60_000 });

const canaries = createCanaries(
  ...(["clientKey", "wrongKey", "providerKey", "providerHeader", "registryToken", "adminToken"] as const),
  ...(["cookie", "query"] as const),
);
const { clientKey, wrongKey, providerKey, providerHeader, registryToken, adminToken, cookie, query } = canaries;
const env = {
  CLIENT_KEY: clientKey,
  PROVIDER_KEY: providerKey,
  PROVIDER_HEADER: providerHeader,
  REGISTRY_TOKEN: registryToken,
  ADMIN_TOKEN: adminToken,
};

/** Where clients of the usual APIs send their key. */
const credentials: readonly ((key: string) => Readonly<Record<string, string>>)[] = [
  (key) => ({ authorization: `Bearer ${key}` }),
  (key) => ({ "x-api-key": key }),
  (key) => ({ "api-key": key }),
  (key) => ({ "x-goog-api-key": key }),
];

async function openUpstream(script: Script): Promise<EvilUpstream> {
  const upstream = await evilUpstream(script);
  onTestFinished(() => upstream.close().catch(() => {}));
  return upstream;
}

const received = (headers: readonly (readonly string[])[]): string => JSON.stringify(headers);

/** Upstreams that repeat what they were sent, in each way an upstream can fail. */
async function openUpstreams(): Promise<Readonly<Record<string, string>>> {
  const works = await openUpstream(answering(ok("{}", "Content-Type: application/json")));
  const fails = await openUpstream(
    answering(({ headers }) => {
      const body = received(headers);
      return message(["HTTP/1.1 500 No", "Content-Type: application/json", `Content-Length: ${body.length}`], body);
    }),
  );
  const garbles = await openUpstream(answering(({ headers }) => `garbage ${received(headers)}\r\n\r\n`));
  const cuts = await openUpstream(
    answering(async (_request, peer) => {
      await peer.write(okEvents() + chunk("data: {}\n\n"));
      await peer.reset();
      return "";
    }),
  );
  const registry = await openUpstream(
    answering(({ headers }) => {
      const body = received(headers);
      return message(["HTTP/1.1 401 No", "Content-Type: application/json", `Content-Length: ${body.length}`], body);
    }),
  );
  const refuses = await closedUrl();
  return {
    works: works.url,
    fails: fails.url,
    garbles: garbles.url,
    cuts: cuts.url,
    refuses,
    registry: registry.url,
  };
}

const names = ["works", "fails", "garbles", "cuts", "refuses"] as const;

const config = (urls: Readonly<Record<string, string>>): string => `
import { definePlugin, defineProxy, env } from "plugboard";
import * as all from "plugboard/plugins";
import { admin } from "plugboard/plugins/admin/admin";

const boom = definePlugin({
  name: "boom",
  setup: () => ({
    request(x) {
      if (x.path === "/crash") setTimeout(() => { throw new TypeError("crashed"); });
      // As libraries do, whose errors hold the request.
      if (x.path === "/throw") throw Object.assign(new Error("thrown"), { request: { headers: x.headers } });
    },
    upstreamRequest: {
      after: ["providers"],
      handler(x) {
        if (x.path === "/bad-header") x.upstream.headers.authorization += "\\n";
      },
    },
  }),
});
const provider = (url) => ({
  url,
  auth: { key: env("PROVIDER_KEY") },
  headers: { "ocp-apim-subscription-key": env("PROVIDER_HEADER") },
});
const urls = ${JSON.stringify(urls)};

export default defineProxy({
  plugins: [
    boom(),
    all.keys({ keys: [{ name: "alice", key: env("CLIENT_KEY") }], open: ["/admin/*"] }),
    all.providers({
      ${names.map((name) => `${name}: { ...provider(urls.${name}), models: ["${name}"] }`).join(",\n      ")},
    }),
    all.registryTargets({ url: urls.registry, token: env("REGISTRY_TOKEN"), pool: "services", interval: 100 }),
    all.registry({ prefix: "/registry", token: env("REGISTRY_TOKEN") }),
    admin({ token: env("ADMIN_TOKEN") }),
    all.alias({ fast: { targets: [{ model: "works" }] } }),
    all.model(),
    all.inOrder(),
    all.coolDown(),
    all.outlierEjection(),
    all.sse(),
    all.openaiErrors(),
    all.stats(),
    all.explain(),
    all.models(),
    all.accessLog({ format: process.env.LOG_FORMAT }),
  ],
  limits: { drainDelay: 0, drainIdle: 0, drain: 100 },
});
`;

interface Asked {
  readonly path?: string;
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const output = { current: createOutput() };
beforeEach(() => (output.current = createOutput()));

async function ask({ url }: Child, { path = "/v1/chat/completions", model, headers = {} }: Asked): Promise<number> {
  const body = model === undefined ? undefined : JSON.stringify({ model });
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body }),
    signal: AbortSignal.timeout(5_000),
  });
  const said = await response.text().catch((error: unknown) => String(error));
  // What an upstream says reaches the client as it is.
  const shown = model === "fails" ? "" : said;
  output.current.add(`the answer to ${path} ${model ?? ""}`, JSON.stringify([...response.headers]) + shown);
  return response.status;
}

/** What is no HTTP, or not quite. */
async function sendRaw({ url }: Child, bytes: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(bytes);
  output.current.add("the answer to raw bytes", await text(socket));
}

const secretHeaders = { cookie: `session=${cookie}`, "proxy-authorization": `Basic ${cookie}` };

async function provoke(child: Child): Promise<void> {
  const search = `?key=${encodeURIComponent(query)}&api_key=${query}`;
  for (const credential of credentials) {
    const headers = { ...credential(clientKey), ...secretHeaders };
    const asked = [...names, "fast", "none"] as const;
    for (const model of asked) await ask(child, { path: `/v1/chat/completions${search}`, model, headers });
    expect(await ask(child, { model: "works", headers })).toBe(200);
    expect(await ask(child, { model: "works", headers: { ...credential(wrongKey), ...secretHeaders } })).toBe(401);
  }
  const headers = { ...secretHeaders, authorization: `Bearer ${clientKey}` };
  await ask(child, { path: "/v1/chat/completions", model: "works", headers: { ...headers, "x-api-key": wrongKey } });
  for (const path of ["/throw", `/bad-header${search}`, `/nowhere${search}`]) await ask(child, { path, headers });
  expect(await ask(child, { path: "/bad-header", model: "works", headers })).toBeGreaterThanOrEqual(500);
  for (const token of [registryToken, wrongKey]) {
    const registering = { ...headers, "x-api-key": clientKey, authorization: `Bearer ${token}` };
    await ask(child, { path: "/registry/services", headers: registering, model: "none" });
  }
  await sendRaw(child, `GET / HTTP/1.1\r\nAuthorization: Bearer ${clientKey}\r\nbroken\r\n\r\n`);
  await sendRaw(
    child,
    `GET /?key=${query} HTTP/1.1\r\nHost: a,b\r\nConnection: close\r\nAuthorization: Bearer ${clientKey}\r\n\r\n`,
  );
  await sendRaw(child, `GET /${"a".repeat(40_000)} HTTP/1.1\r\nCookie: ${cookie}\r\n\r\n`);
  for (const token of [adminToken, wrongKey]) {
    for (const path of ["/admin/status", "/admin/config", "/admin/nothing", `/admin/status${search}`])
      await ask(child, { path, headers: { authorization: `Bearer ${token}` } });
    await ask(child, { path: "/admin/drain", model: "none", headers: { authorization: `Bearer ${token}` } });
  }
  const explained = [`model=fast`, `path=${encodeURIComponent(`/v1/models${search}`)}`].map(
    (what) =>
      `/explain?${what}&header=${encodeURIComponent(`authorization: Bearer ${clientKey}`)}` +
      `&header=${encodeURIComponent(`cookie: ${cookie}`)}&header=${encodeURIComponent(`x-goog-api-key: ${clientKey}`)}`,
  );
  for (const path of ["/stats", "/services", "/health", "/ready", "/v1/models", "/registry/services", ...explained])
    expect(await ask(child, { path, headers })).toBeLessThan(504);
}

describe.each([
  ["as JSON", ["--json"], "json"],
  ["for people", [], "pretty"],
])("a proxy that tells all it can, %s", (_what, flags, format) => {
  test("tells none of its secrets, whatever fails", async () => {
    const project = await createProject({ "proxy.config.mjs": config(await openUpstreams()) });
    const command = { args: [...flags, "--port", "0"], env: { ...env, LOG_FORMAT: format }, project };
    const child = await serveCommand(command);
    await provoke(child);
    for (const token of [adminToken, wrongKey]) {
      for (const args of [["status"], ["status", "--json"], ["drain", "none"], ["undrain", "none"]]) {
        const asking = { args: [...args, "--url", child.url, "--token", token], env: {}, project };
        output.current.add(`plugboard ${args.join(" ")}`, await runCommand(asking));
      }
    }
    expect(output.current.all).toMatch(/plugboard status: [^]*works/);
    await project.write("proxy.config.mjs", `${config({})}\nthrow new Error("not now");`);
    process.kill(child.pid, "SIGHUP");
    await child.printedWith("not reloaded");
    await ask(child, { path: "/crash", headers: { authorization: `Bearer ${clientKey}` } }).catch(() => {});
    expect(await child.exited).toBe(1);
    output.current.add("what was printed", child.printed());
    expect(child.printed()).toContain("crashed");
    expect(child.printed()).toContain("thrown");
    output.current.expectNone(canaries);
  });
});

describe("a command that looks at a config", () => {
  test.each<[string, readonly string[]]>([
    ["check", ["check"]],
    ["explain", ["explain", "--model", "fast", "-H", `authorization: Bearer ${clientKey}`, "-H", `cookie: ${cookie}`]],
    ["explain --json", ["explain", "POST", `/v1/x?key=${query}`, "-H", `x-api-key: ${clientKey}`, "--json"]],
  ])("%s: shows none of its secrets", async (_name, args) => {
    const project = await createProject({ "proxy.config.mjs": config(await openUpstreams()) });
    const printed = await runCommand({ args, env, project });
    expect(printed).toContain("providers");
    output.current.add("what was printed", printed);
    output.current.expectNone(canaries);
  });
});
