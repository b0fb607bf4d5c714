import { defineSelector, type Plugin, type ProxyConfig, type TargetStats } from "plugboard";
import { counter, within } from "../../wire/waiting.ts";
import { type MemCall, memUpstream } from "../mem-upstream.ts";
import { openProxy, type OpenProxy } from "../open-proxy.ts";
import { type OutcomeLog, outcomeLog } from "./outcome-log.ts";

/** A proxy before upstreams that a test plays itself, call by call. */
export interface Played {
  readonly proxy: OpenProxy;
  readonly log: OutcomeLog;
  readonly calls: readonly MemCall[];
  /** The nth call of all, from 0 on, when it has come. */
  call(nth: number): Promise<MemCall>;
  /** Attempts under way at each target. */
  inflight(): number[];
  get(init?: RequestInit): Promise<Response>;
}

const inOrder = defineSelector({ name: "in-order", pick: ([target]) => target });

export async function played(
  plugins: readonly Plugin[],
  config: Omit<ProxyConfig, "plugins"> & { targets?: readonly string[] } = {},
): Promise<Played> {
  const { targets = ["a", "b"], ...rest } = config;
  const calls: MemCall[] = [];
  const come = counter();
  const upstream = memUpstream(
    (call) => {
      calls.push(call);
      come.add();
    },
    targets.map((id) => ({ id, url: `mem://${id}` })),
  );
  const log = outcomeLog();
  const proxy = await openProxy({ ...rest, plugins: [upstream, log.plugin, ...plugins, inOrder()] });
  return {
    proxy,
    log,
    calls,
    async call(nth) {
      await within(come.reached(nth + 1), `call ${nth}`);
      return calls[nth] as MemCall;
    },
    inflight: () =>
      proxy.pools().flatMap(({ snapshot }) => snapshot.all.map(({ live }: { live: TargetStats }) => live.inflight)),
    get: (init) => proxy.fetch(new Request("http://proxy/", init)),
  };
}

export function refuse({ sink }: MemCall): void {
  sink.error(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
}

/** Answers 200 as far as the head. */
export function begin({ sink }: MemCall, type = "text/plain"): void {
  sink.connected();
  sink.head(200, { "content-type": type });
}

export function finish(call: MemCall, text = call.target.id): void {
  call.sink.data(Buffer.from(text));
  call.sink.end();
}

export function answer(call: MemCall, text?: string): void {
  begin(call);
  finish(call, text);
}
