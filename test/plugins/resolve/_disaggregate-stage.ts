import type { Plugin, Proxy, ProxyConfig, TargetSpec } from "plugboard";
import { leastConnections, model } from "plugboard/plugins";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { disaggregate, type DisaggregateOptions } from "plugboard/plugins/resolve/disaggregate";
import type { EngineRoom } from "../../disaggregate/engine-room.ts";
import type { Worker } from "../../disaggregate/worker.ts";
import { openProxy } from "../../e2e/open-proxy.ts";

export interface Ask {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Of an error that the proxy made. */
  readonly code: string | null;
}

export interface Stage {
  readonly proxy: Proxy;
  readonly url: string;
  ask(body: object | string, ask?: Ask): Promise<Answer>;
  live(worker: Worker): { readonly inflight: number; readonly requests: number; readonly failures: number };
}

export interface StageOptions {
  readonly options?: DisaggregateOptions;
  readonly plugins?: readonly Plugin[];
  readonly config?: Omit<ProxyConfig, "plugins">;
  /** What says the route. @default model() */
  readonly resolver?: Plugin | false;
  /** Added to the targets of workers, by name. */
  readonly specs?: Readonly<Record<string, Partial<TargetSpec>>>;
}

/** A proxy before these workers; what it is asked for by `ask` the workers compare with what they get. */
export async function openStage(
  room: EngineRoom,
  workers: readonly Worker[],
  { options, plugins = [], config = {}, resolver = model(), specs = {} }: StageOptions = {},
): Promise<Stage> {
  const targets = workers.map(({ name, target }): TargetSpec => ({ ...target, ...specs[name] }));
  const own = [staticTargets({ targets }), resolver, leastConnections(), disaggregate(options)];
  const { proxy, url } = await openProxy([...own, ...plugins], config);
  return {
    proxy,
    url,
    async ask(body, { path = "/v1/chat/completions", headers, signal } = {}) {
      const response = await room.clients.fetch(url + path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...(signal !== undefined && { signal }),
      });
      return { status: response.status, text: await response.text(), code: response.headers.get("x-proxy-error") };
    },
    live: ({ name }) => proxy.pools()[0]!.snapshot.all.find(({ id }) => id === name)!.live,
  };
}

export const chat = { model: "m", messages: [{ role: "user", content: "hello" }], max_tokens: 3 } as const;

/** What the workers were asked, with ids that differ from run to run made alike. */
export function transcript(...workers: readonly Worker[]): string {
  const lines = workers.flatMap(({ name, received }) =>
    received.map(({ method, path, headers, text }) => {
      const shown = ["x-request-id", "accept"].map((each) => `${each}: ${String(headers[each])}`);
      return [`${name} ${method} ${path}`, ...shown, text].join("\n");
    }),
  );
  return lines.join("\n\n").replaceAll(uuid, "<uuid>").replaceAll(rooms, "$1<room>");
}

const uuid = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g;
const rooms = /("bootstrap_room":)\d+/g;

/** What each worker was asked, in numbers. */
export function counts(...workers: readonly Worker[]): Record<string, number> {
  return Object.fromEntries(workers.map(({ name, received }) => [name, received.length]));
}
