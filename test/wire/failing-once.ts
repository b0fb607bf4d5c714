import { type EvilUpstream, type Script } from "./evil-upstream.ts";
import { ok } from "./messages.ts";
import { openWire, type Wire, type WireOptions } from "./open-wire.ts";

/** As many upstreams; the first request that any of them gets fails like this, all others are answered. */
export function failingOnce(count: number, fail: Script, options?: WireOptions): Promise<Wire> {
  let failed = false;
  const script: Script = async (peer) => {
    for (;;) {
      const request = await peer.request();
      if (!failed) {
        failed = true;
        return fail(peer);
      }
      await peer.write(ok(`${request.method} ${request.text}`));
    }
  };
  return openWire(Array<Script>(count).fill(script), options);
}

/** How many requests each upstream saw, in order of size: the order of selection is not the point. */
export function requestCounts(wire: Wire): number[] {
  return wire.upstreams.map(({ requests }: EvilUpstream) => requests.length).toSorted((a, b) => a - b);
}
