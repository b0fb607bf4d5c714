import { createProxy, definePlugin, type Proxy, type ProxyConfig, type TargetSpec } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { expect, onTestFinished } from "vitest";
import { evilUpstream, type EvilUpstream, type Peer, type Script } from "./evil-upstream.ts";
import { get } from "./messages.ts";
import { rawClient, type RawClient, type RawResponse } from "./raw-client.ts";
import { at } from "./waiting.ts";

export interface WireOptions extends Omit<ProxyConfig, "plugins"> {
  /** After static-targets and before round-robin. */
  plugins?: ProxyConfig["plugins"];
  /** Targets besides the scripted ones, first in the pool. */
  targets?: readonly TargetSpec[];
  /** What the scripted upstreams' URLs end with. */
  basePath?: string;
}

export interface Wire {
  readonly proxy: Proxy;
  readonly port: number;
  /** What the proxy was made of, for reloads. */
  readonly config: ProxyConfig;
  /** The first upstream. */
  readonly upstream: EvilUpstream;
  readonly upstreams: readonly EvilUpstream[];
  client(): Promise<RawClient>;
  /** Sends these bytes on a connection of their own and reads one response. */
  exchange(bytes: string | Uint8Array, to?: string): Promise<RawResponse>;
}

/** The whole suite runs a second time like this, with the clients on the port of a conditional listener. */
const onCompatPort = process.env["WIRE_PORT"] === "compat";

const always = definePlugin({
  name: "always",
  setup: (proxy) => proxy.provide("condition", "always", { holds: () => true }),
});

/** Raw clients, a proxy, scripted upstreams; everything is closed when the test is over. */
export async function openWire(
  scripts?: Script | readonly (Script | undefined)[],
  options: WireOptions = {},
): Promise<Wire> {
  const { plugins = [], targets = [], basePath = "", limits, ...rest } = options;
  const list = scripts === undefined || typeof scripts === "function" ? [scripts] : scripts;
  const upstreams = await Promise.all(list.map((script) => evilUpstream(script)));
  const clients: RawClient[] = [];
  const specs = [...targets, ...upstreams.map(({ url }) => ({ url: url + basePath }))];
  const config: ProxyConfig = {
    ...rest,
    ...(onCompatPort && { listeners: { ...rest.listeners, compat: { port: 0, when: always() } } }),
    limits: { drainDelay: 0, drainIdle: 0, ...limits },
    plugins: [staticTargets({ targets: specs }), ...plugins, roundRobin()],
  };
  const proxy = await createProxy(config);
  onTestFinished(async () => {
    for (const client of clients) client.destroy();
    await proxy.close({ deadline: 0 });
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });
  const { port } = await proxy.listen();
  const compat = proxy.listeners().find(({ name }) => name === "compat");

  const client = async (): Promise<RawClient> => {
    const opened = await rawClient(compat?.port ?? port);
    clients.push(opened);
    return opened;
  };
  return {
    proxy,
    port: compat?.port ?? port,
    config,
    get upstream() {
      return at(upstreams);
    },
    upstreams,
    client,
    async exchange(bytes, to) {
      const opened = await client();
      void opened.send(bytes);
      return opened.response(to);
    },
  };
}

export interface Asked {
  readonly wire: Wire;
  readonly client: RawClient;
  /** The upstream's end. */
  readonly peer: Peer;
}

/** The same, with a request for `/` that its upstream has taken and does not answer by itself. */
export async function openAsked(options?: WireOptions): Promise<Asked> {
  const wire = await openWire(undefined, options);
  const client = await wire.client();
  await client.send(get("/"));
  const peer = await wire.upstream.accept();
  await peer.request();
  return { wire, client, peer };
}

/** Sends one more request and expects it to be the first thing that any upstream ever saw. */
export async function expectUntouched(wire: Wire): Promise<void> {
  const { status } = await wire.exchange(get("/first"));
  expect(status).toBe(200);
  const received = wire.upstreams.map((upstream) => upstream.received.toString("latin1")).join("");
  expect(received).toMatch(/^GET \/first HTTP\/1\.1\r\n/);
  expect(received.match(/HTTP\/1\.1\r\n/g)).toHaveLength(1);
}

/** The code of an error that the proxy made; also checks what all of them have in common. */
export function errorCode(response: RawResponse): string {
  const code = response.get("x-proxy-error") ?? "";
  const error = { message: expect.any(String), code, request_id: expect.any(String) };
  expect(JSON.parse(response.text)).toEqual({ error });
  expect(response.get("content-type")).toBe("application/json");
  expect(response.get("cache-control")).toBe("no-store");
  return code;
}
