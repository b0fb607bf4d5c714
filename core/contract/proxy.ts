import type { RequestListener, Server } from "node:http";
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
  /** Bytes of a request head. @default 32 KiB */
  headers?: number;
  /** Header lines in a request. @default 200 */
  headerCount?: number;
  /** Bytes of the request target. @default 16 KiB */
  url?: number;
  /** Client connections; 0 is no limit. @default 0 */
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
}

export interface ProxyConfig {
  /** @default 8000 from the command line, 0 (any free port) when embedded */
  port?: number;
  /** @default "127.0.0.1" */
  host?: string;
  plugins: readonly (Plugin | readonly Plugin[] | false | null | undefined)[];
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
  /** Send it so many times in thought, and tell the distribution. */
  draws?: number;
  /** Makes chance repeatable. */
  seed?: number;
}

/** A running proxy. Nothing of it is global: two live in one process. */
export interface Proxy {
  /** Serves on a port of its own. @default port 0 (any free one) on 127.0.0.1 */
  listen(options?: { port?: number; host?: string }): Promise<{ readonly url: string; readonly port: number }>;
  /** Serves on an `http` or `https` server that someone else made and listens with. */
  attach(server: Server): void;
  readonly listener: RequestListener;
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
