import { once } from "node:events";
import { createServer } from "node:http";
// By their paths: a package's own name leads to what was built of it, if anything was.
import { createProxy, type ProxyConfig } from "../../core/index.ts";
import { activeHealth, mockBackend, openaiErrors, sse, stats } from "../../plugins/index.ts";

// The whole life of some proxies; embedded.test.ts runs it in a process of its own, which has to end by itself.

const config: ProxyConfig = {
  plugins: [
    mockBackend({ backends: [{ tokens: 50, chunkInterval: 1 }, { id: "spare" }] }),
    activeHealth({ interval: 60_000 }),
    sse(),
    stats(),
    openaiErrors(),
  ],
};

const request = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    model: "mock-model",
    messages: [{ role: "user", content: "hi" }],
    stream: true,
  }),
};

async function serveAndClose(): Promise<void> {
  const proxy = await createProxy(config);
  const { url } = await proxy.listen();
  await (await fetch(`${url}/v1/chat/completions`, request)).text();
  await (await proxy.fetch(new Request("http://proxy/health"))).text();
  await proxy.reload();
  await proxy.explain({ path: "/v1/chat/completions", body: request.body });
  await (await fetch(`${url}/stats`)).text();
  await proxy.close();
}

async function closeInTheMiddle(): Promise<void> {
  const proxy = await createProxy(config);
  const { url } = await proxy.listen();
  const response = await fetch(`${url}/v1/chat/completions`, request);
  const rest = response.text().catch((error: unknown) => error);
  await proxy.close({ deadline: 0 });
  await rest;
}

async function neverListen(): Promise<void> {
  const proxy = await createProxy(config);
  await proxy.close();
}

async function attachToAServer(): Promise<void> {
  const proxy = await createProxy(config);
  const server = createServer();
  proxy.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : address;
  await (await fetch(`http://127.0.0.1:${port}/health`)).text();
  await proxy.close();
  server.close();
}

async function refuseAConfig(): Promise<void> {
  const wrong = { ...config, plugins: [...config.plugins, stats()] };
  const refused = await createProxy(wrong).then(
    () => false,
    () => true,
  );
  if (!refused) throw new Error("two plugins on the same paths were taken");
}

await serveAndClose();
await closeInTheMiddle();
await neverListen();
await attachToAServer();
await refuseAConfig();

const closedAt = performance.now();
process.once("exit", (code) => {
  const left = Math.round(performance.now() - closedAt);
  process.stdout.write(JSON.stringify({ code, left, version: process.version }));
});
