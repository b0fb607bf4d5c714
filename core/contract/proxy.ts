import type { RequestListener, Server } from "node:http";
import type { EventHandler } from "h3";
import type { Plugin } from "../plugin.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { RetryOptions, Timeouts } from "./route.ts";
import type { Awaitable } from "./services.ts";
import type { Mode, Status } from "./setup.ts";
import type { Pool } from "./target.ts";

export interface Limits {
  /** Bytes of a request body, streamed or not. @default 100 MiB */
  body?: number;
  /** Bytes of a body that plugins look into. @default 8 MiB */
  inspect?: number;
  /** Bytes of such bodies in memory at once, of all requests until they end; 0 is no limit. @default 256 MiB */
  inspectTotal?: number;
  /** Bytes of a request head. @default 32 KiB */
  headers?: number;
  /** Header lines in a request. @default 200 */
  headerCount?: number;
  /** Bytes of the request target. @default 16 KiB */
  url?: number;
  /** Client connections over all ports; 0 is no limit. @default 0.45 of the file descriptors on Linux, else 0 */
  connections?: number;
  /** Milliseconds the exchanges under way get when the proxy closes. @default 300000 */
  drain?: number;
  /** Milliseconds that new requests are still accepted after a drain began. @default 2000 from the command line, 0 embedded */
  drainDelay?: number;
  /** Milliseconds of quiet after which an idle connection is closed in a drain. @default 3000 from the command line, 0 embedded */
  drainIdle?: number;
  /** Retired generations whose plugins are kept running for their exchanges. @default 8 */
  generations?: number;
  /** Milliseconds without progress of a client that does not read. @default 60000 */
  writeStall?: number;
  /** Milliseconds without a byte of a request body that is waited for; 0 is no limit. @default 30000 */
  bodyIdle?: number;
}

/** Groups are flattened, and what is switched off is dropped. */
export type PluginList = readonly (Plugin | readonly Plugin[] | false | null | undefined)[];

/** A certificate and its key, as PEM files; taken in anew when they change. */
export interface Certificate {
  /** Path of the certificate, with those of its issuers behind it. */
  cert: string;
  /** Path of its private key. */
  key: string;
  passphrase?: string;
}

/**
 * `"self-signed"` makes one at start, for development. Of several certificates the first that is made out for the name
 * a client asks for is shown, and the first of all to a client that asks for none; all have one kind of key, RSA or EC.
 */
export type TlsConfig = "self-signed" | Certificate | readonly Certificate[];

/** A part of what a listener is asked for; the one with the most exact host, then with the longest path, has a request. */
export interface MountConfig {
  /** By whole segments: `/v1` is `/v1` and `/v1/models`, not `/v1x`. @default "/" */
  path?: string | readonly string[];
  /** Without port; `*.example.com` is any name below it. @default any */
  host?: string | readonly string[];
  /** Where its requests go that none of its own plugins resolves. @default as the plugins of the config resolve them */
  pool?: string;
  /** Takes the path off before a request is sent on: `/api/x` becomes `/x`. @default false */
  strip?: boolean;
  /** Answers its requests here. */
  handler?: EventHandler;
  /** Take part in its requests only, behind those of the config; the paths that they answer begin with its path. */
  plugins?: PluginList;
}

/** One more port. Without mounts and plugins of its own it serves what the first one serves. */
export interface ListenerConfig {
  /** 0: any free one. */
  port: number;
  /** @default "127.0.0.1" */
  host?: string;
  /** @default none: plain HTTP */
  tls?: TlsConfig;
  /** Listens only while it holds: a plugin that provides a condition, or the name of a condition. @default always */
  when?: Plugin | string;
  /**
   * Control routes that are answered here and on no port that does not name them too: those of the plugins of these
   * names, or all; `[]` is none. It then answers nothing else, unless it has mounts.
   */
  control?: true | readonly string[];
  mounts?: readonly MountConfig[];
  /** Take part in its requests only. */
  plugins?: PluginList;
}

export interface ProxyConfig {
  /** @default 8000 from the command line, 0 (any free port) when embedded */
  port?: number;
  /** @default "127.0.0.1" */
  host?: string;
  /** @default none: plain HTTP */
  tls?: TlsConfig;
  plugins: PluginList;
  /** Splits what is asked for; what is under none of them is 404. @default all of it goes one way */
  mounts?: readonly MountConfig[];
  /** Further ports, by name. */
  listeners?: Readonly<Record<string, ListenerConfig>>;
  limits?: Limits;
  /** For every route that says nothing else. */
  retry?: RetryOptions;
  timeouts?: Partial<Timeouts>;
  /** Addresses or CIDR ranges whose `X-Forwarded-*` are believed and added to. @default none: overwritten */
  trustedProxies?: readonly string[];
  /** Upgrade protocols that may be tunnelled. @default ["websocket"] */
  upgrades?: readonly string[];
}

export type ConfigFunction = (env: { readonly mode: Mode }) => Awaitable<ProxyConfig>;

export interface ExplainRequest {
  /** @default "GET", or "POST" with a body */
  method?: string;
  /** @default "/" */
  path?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** The listener it comes in by. @default "main" */
  listener?: string;
  /** Send it so many times in thought, and tell the distribution. */
  draws?: number;
  /** Makes chance repeatable. */
  seed?: number;
}

export type ListenerState = "open" | "closed" | "draining" | "waiting";

/** A port of the proxy, and how it is. */
export interface ListenerStatus {
  /** `main`, or its name in the config. */
  readonly name: string;
  readonly host: string;
  /** That it listens on; 0 where it does not and may take any. */
  readonly port: number;
  /** Undefined while it does not listen. */
  readonly url: string | undefined;
  /** `waiting`: it should listen and cannot, and tries again. */
  readonly state: ListenerState;
  /** Why it does not listen. */
  readonly reason: string | undefined;
}

/** A running proxy. Nothing of it is global: two live in one process. */
export interface Proxy {
  /** Serves on a port of its own, and on those of the listeners in the config. @default port 0 (any free one) on 127.0.0.1 */
  listen(options?: {
    port?: number;
    host?: string;
    tls?: TlsConfig;
  }): Promise<{ readonly url: string; readonly port: number }>;
  /** Serves on an `http` or `https` server that someone else made and listens with, as a listener of the config does. */
  attach(server: Server, listener?: string): void;
  readonly listener: RequestListener;
  /** The ports it serves on. */
  listeners(): readonly ListenerStatus[];
  /** One request without a port. */
  fetch(request: Request): Promise<Response>;
  /** Swaps in a new generation; on any error the running one stays and the error is thrown. */
  reload(config?: ProxyConfig | ConfigFunction): Promise<{ readonly generation: number }>;
  /** What a request would do, phase by phase, without sending it. */
  explain(request?: ExplainRequest): Promise<Explanation>;
  status(): Status;
  /** Files that the plugins of the running generation asked to be watched. */
  files(): readonly string[];
  /** The pools of the running generation. */
  pools(): readonly Pool[];
  /** Drains, then closes; a second call ends at once. `deadline` is in milliseconds. @default limits.drain */
  close(options?: { deadline?: number }): Promise<void>;
}
