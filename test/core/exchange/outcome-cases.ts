import type { Outcome, Plugin } from "plugboard";
import { closedUrl } from "../../wire/closed-port.ts";
import { answering, type Script } from "../../wire/evil-upstream.ts";
import { chunk, get, message, ok, okEvents, post } from "../../wire/messages.ts";
import type { Wire, WireOptions } from "../../wire/open-wire.ts";
import type { RawClient } from "../../wire/raw-client.ts";
import { hooks, quickPlugin } from "../quick-plugin.ts";

export type Seen = { [K in Exclude<keyof Outcome, "error" | "ttfb" | "duration">]?: Outcome[K] } & {
  readonly error?: string | undefined;
};

export interface Case {
  readonly what: string;
  readonly upstream?: Script | undefined;
  readonly options?: WireOptions | (() => Promise<WireOptions>);
  readonly request?: string;
  /** What the client does after its request. @default reads the response */
  readonly after?: (client: RawClient, wire: Wire) => Promise<unknown>;
  readonly attempts: readonly Seen[];
  readonly end: Seen;
}

const boom = (): never => {
  throw new Error("boom");
};
const relay = (data: (chunk: Uint8Array) => Uint8Array): Plugin =>
  quickPlugin("relay", (proxy) => proxy.provide("relay", "relay", { match: () => true, create: () => ({ data }) }));
const control = quickPlugin("control", (proxy) => proxy.route("GET", "/control", () => "answer"));

const half = message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half");

const leave: Case["after"] = async (client, wire) => {
  await (await wire.upstream.accept()).request();
  client.reset();
};
const head = (status: string, ...lines: string[]): Script => answering(message([`HTTP/1.1 ${status}`, ...lines]));
/** Writes and does not go on. */
const silentAfter =
  (bytes: string): Script =>
  async (peer) => {
    await peer.request();
    await peer.write(bytes);
  };
const breaking =
  (bytes: string, how: "close" | "reset"): Script =>
  async (peer) => {
    await peer.request();
    if (bytes !== "") await peer.write(bytes);
    await peer[how]();
  };

const fine: Seen = { kind: "ok", status: 200, sent: true, bytesIn: 0, bytesOut: 2, error: undefined };
const nothing: Seen = { bytesIn: 0, bytesOut: 0 };

export const cases: readonly Case[] = [
  { what: "ok", upstream: answering(ok()), attempts: [fine], end: fine },
  {
    what: "ok, with bodies both ways",
    upstream: answering(({ text }) => ok(`${text}, too`)),
    request: post("/", "hello"),
    attempts: [{ kind: "ok", bytesIn: 5, bytesOut: 10 }],
    end: { kind: "ok", bytesIn: 5, bytesOut: 10 },
  },
  {
    what: "ok, for what is the client's fault",
    upstream: head("404 Not Found", "Content-Length: 0"),
    attempts: [{ kind: "ok", status: 404, ...nothing }],
    end: { kind: "ok", status: 404, ...nothing },
  },
  {
    what: "ok, without a body",
    upstream: head("204 No Content"),
    attempts: [{ kind: "ok", status: 204, ...nothing }],
    end: { kind: "ok", status: 204, ...nothing },
  },
  {
    what: "ok, counting what was relayed and not what came",
    upstream: answering(ok("abc")),
    options: { plugins: [relay(() => Buffer.from("abcdef"))] },
    attempts: [{ kind: "ok", bytesOut: 6 }],
    end: { kind: "ok", bytesOut: 6 },
  },
  {
    what: "status",
    upstream: answering(message(["HTTP/1.1 503 No", "Content-Length: 5"], "sorry")),
    attempts: [{ kind: "status", status: 503, bytesOut: 5, error: undefined }],
    end: { kind: "status", status: 503, bytesOut: 5, error: undefined },
  },
  {
    what: "connect",
    options: async () => ({ targets: [{ url: await closedUrl() }] }),
    attempts: [{ kind: "connect", sent: false, status: 0, error: "connect_failed", ...nothing }],
    end: { kind: "connect", sent: false, status: 502, error: "connect_failed" },
  },
  {
    what: "reset",
    upstream: breaking("", "reset"),
    attempts: [{ kind: "reset", sent: true, status: 0, error: "upstream_reset", ...nothing }],
    end: { kind: "reset", sent: true, status: 502, error: "upstream_reset" },
  },
  {
    what: "reset, by what is no HTTP",
    upstream: answering("garbage\r\n\r\n"),
    attempts: [{ kind: "reset", sent: true, status: 0, error: "upstream_protocol", ...nothing }],
    end: { kind: "reset", sent: true, status: 502, error: "upstream_protocol" },
  },
  {
    what: "timeout",
    upstream: (peer) => void peer.request(),
    options: { timeouts: { headers: 80 } },
    attempts: [{ kind: "timeout", sent: true, status: 0, error: "upstream_timeout", ...nothing }],
    end: { kind: "timeout", sent: true, status: 504, error: "upstream_timeout" },
  },
  {
    what: "timeout, of the whole exchange",
    upstream: silentAfter(half),
    options: { timeouts: { total: 80 } },
    attempts: [{ kind: "timeout", sent: true, status: 200, error: "total_timeout", bytesOut: 4 }],
    end: { kind: "timeout", sent: true, status: 200, error: "total_timeout", bytesOut: 4 },
  },
  {
    what: "stalled",
    upstream: silentAfter(okEvents() + chunk("data: 1\n\n")),
    options: { timeouts: { idle: 80 } },
    attempts: [{ kind: "stalled", status: 200, error: "stream_idle", bytesOut: 9 }],
    end: { kind: "stalled", status: 200, error: "stream_idle", bytesOut: 9 },
  },
  {
    what: "stalled, by the client",
    upstream: answering(ok("x".repeat(20_000_000))),
    options: { limits: { writeStall: 100 } },
    after: async (client) => client.pause(),
    attempts: [{ kind: "stalled", status: 200, error: "write_stalled" }],
    end: { kind: "stalled", status: 200, error: "write_stalled" },
  },
  ...(["close", "reset"] as const).map((how): Case => ({
    what: `stream-error, by ${how}`,
    upstream: breaking(half, how),
    attempts: [{ kind: "stream-error", status: 200, error: "upstream_reset", bytesOut: 4 }],
    end: { kind: "stream-error", status: 200, error: "upstream_reset", bytesOut: 4 },
  })),
  {
    what: "client-abort",
    after: leave,
    attempts: [{ kind: "client-abort", status: 0, error: "client_closed", ...nothing }],
    end: { kind: "client-abort", status: 0, error: "client_closed", ...nothing },
  },
  {
    what: "plugin, in a phase before any attempt",
    options: { plugins: [hooks({ admit: boom })] },
    attempts: [],
    end: { kind: "plugin", status: 500, error: "plugin_error" },
  },
  {
    what: "plugin, on the head of the response",
    upstream: answering(ok()),
    options: { plugins: [hooks({ upstreamResponse: boom })] },
    attempts: [{ kind: "plugin", status: 200, error: "plugin_error", ...nothing }],
    end: { kind: "plugin", status: 500, error: "plugin_error" },
  },
  {
    what: "plugin, in the middle of the response",
    upstream: answering(ok()),
    options: { plugins: [relay(boom)] },
    attempts: [{ kind: "plugin", status: 200, error: "plugin_error", ...nothing }],
    end: { kind: "plugin", status: 200, error: "plugin_error", ...nothing },
  },
  {
    what: "local, by a gate",
    options: { plugins: [hooks({ request: () => ({ status: 401, body: "who?" }) })] },
    attempts: [],
    end: { kind: "local", sent: false, status: 401, bytesOut: 4, error: undefined },
  },
  {
    what: "local, by a control route",
    options: { plugins: [control] },
    request: get("/control"),
    attempts: [],
    end: { kind: "local", sent: false, status: 200, error: undefined },
  },
  {
    what: "local, for a request that is not proper",
    request: get("/../a"),
    attempts: [],
    end: { kind: "local", sent: false, status: 400, error: "invalid_path" },
  },
  {
    what: "local, without a route",
    options: { plugins: [hooks({ resolve: () => {} })] },
    attempts: [],
    end: { kind: "local", sent: false, status: 404, error: "route_not_found" },
  },
];
