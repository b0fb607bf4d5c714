import type { ExtraAttemptOptions } from "plugboard";
import { answering, type EvilUpstream, type Script } from "../../wire/evil-upstream.ts";
import { get, ok } from "../../wire/messages.ts";
import { openWire, type Wire, type WireOptions } from "../../wire/open-wire.ts";
import type { RawResponse } from "../../wire/raw-client.ts";
import { at, within } from "../../wire/waiting.ts";
import { type OutcomeLog, outcomeLog } from "./outcome-log.ts";
import { sidePlugin, type SidePlugin, told } from "./side-plugin.ts";

export interface Asking extends WireOptions {
  readonly extra?: ExtraAttemptOptions;
  readonly request?: string;
  /** The method the response answers. */
  readonly to?: string;
  readonly main?: Script;
  readonly before?: (wire: Wire) => Promise<unknown>;
}

export interface Asked {
  readonly wire: Wire;
  readonly side: SidePlugin;
  readonly log: OutcomeLog;
  /** What came of the extra attempt. */
  readonly said: string;
  /** What the client got. */
  readonly response: RawResponse;
  readonly upstream: EvilUpstream;
}

/** One request whose `admit` waits for one extra attempt. */
export async function askExtra(script: Script | undefined, asking: Asking = {}): Promise<Asked> {
  const { extra, request = get("/"), to, main = answering(ok("main")), before, plugins = [], ...options } = asking;
  let said = "";
  const side = sidePlugin((own) => ({
    async admit(x) {
      said = await told(own.attempt(x, extra).answer);
    },
  }));
  const log = outcomeLog();
  const wire = await openWire([main, script], { ...options, plugins: [...plugins, side.plugin, log.plugin] });
  await before?.(wire);
  const response = await within(wire.exchange(request, to), "the client is answered");
  await within(log.ended(1), "the exchange ends");
  return { wire, side, log, said, response, upstream: at(wire.upstreams, 1) };
}

/** Bytes, and then nothing. */
export function stopping(bytes: string): Script {
  return async (peer) => {
    await peer.request();
    if (bytes !== "") await peer.write(bytes);
  };
}

export function breaking(bytes: string): Script {
  return async (peer) => {
    await stopping(bytes)(peer);
    await peer.reset();
  };
}
