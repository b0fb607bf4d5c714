import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { chat, createProject, type Finished, run, type RunOptions, serve } from "./_cli.ts";

/** A config with the admin plugin, and a word of its own about target "b/2". */
const config = ({ options = "{}", plugins = "" }: AdminConfig): string => `import { definePlugin } from "plugboard";
import { admin } from "plugboard/plugins/admin/admin";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { keys } from "plugboard/plugins/guard/keys";
import { mockBackend } from "plugboard/plugins/mock/mock-backend";
import { model } from "plugboard/plugins/resolve/model";
import { roundRobin } from "plugboard/plugins/select/round-robin";
const saying = definePlugin({
  name: "saying",
  setup(proxy) {
    const reporter = proxy.reporter("saying");
    proxy.onReady(() => reporter.down("c", "\\u001b[2Jfire\\u202e\\nall over"));
  },
});
const backend = (id) => ({ id, models: ["small"] });
export default {
  plugins: [
    mockBackend({ backends: ["a-1", "b/2", "c"].map(backend) }),
    roundRobin(), model(), saying(), admin(${options}), ${plugins}
  ],
  limits: { drainDelay: 0, drainIdle: 0 },
};
`;

export interface AdminConfig {
  /** Of the admin plugin, as source. */
  readonly options?: string;
  /** Further ones, as source. */
  readonly plugins?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Admin {
  readonly url: string;
  /** Runs a command with the address of the proxy. */
  ask(line: string, env?: RunOptions["env"]): Promise<Finished>;
}

export async function serveAdmin(given: AdminConfig = {}): Promise<Admin> {
  const { directory } = await createProject({ "proxy.config.mjs": config(given) });
  const { url } = await serve([], { cwd: directory, ...(given.env !== undefined && { env: given.env }) });
  return { url, ask: (line, env = {}) => run(line.split(" "), { env: { PLUGBOARD_ADMIN_URL: url, ...env } }) };
}

export interface Held extends Admin {
  /** An answer of the target "held" that has begun and goes on until it is told to end. */
  readonly answer: Promise<string>;
  end(): void;
}

/** With one more target, and a request that is under way on it. */
export async function serveHeld(): Promise<Held> {
  let end: (() => void) | undefined;
  const url = await openServer((_request, response) => {
    response.write("be");
    end = () => void response.end("gun");
  });
  const target = JSON.stringify({ id: "held", url, models: ["held"] });
  const admin = await serveAdmin({ plugins: `staticTargets({ targets: [${target}] })` });
  const response = await chat(admin.url, { model: "held" });
  return { ...admin, answer: response.text(), end: () => end?.() };
}

/** Somebody else's server; gone when the test is over. */
export async function openServer(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Where nobody listens any more. */
export async function closedPort(): Promise<string> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}
