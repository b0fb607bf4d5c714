import type { ExtraAttempt, ExtraAttemptOptions } from "plugboard";
import { answering, type Peer } from "../../wire/evil-upstream.ts";
import { get, ok } from "../../wire/messages.ts";
import { openWire, type Wire, type WireOptions } from "../../wire/open-wire.ts";
import type { RawClient } from "../../wire/raw-client.ts";
import { at, deferred, within } from "../../wire/waiting.ts";
import { type OutcomeLog, outcomeLog } from "./outcome-log.ts";
import { sidePlugin, type SidePlugin, told } from "./side-plugin.ts";

export interface Begun {
  readonly wire: Wire;
  readonly side: SidePlugin;
  readonly log: OutcomeLog;
  readonly client: RawClient;
  readonly attempt: ExtraAttempt;
}

/** An exchange whose `admit` has begun an extra attempt, and waits for it. */
export async function beginExtra(options: ExtraAttemptOptions = {}, wired: WireOptions = {}): Promise<Begun> {
  const asked = deferred();
  let attempt: ExtraAttempt | undefined;
  const side = sidePlugin((own) => ({
    async admit(x) {
      attempt = own.attempt(x, options);
      asked.resolve();
      await told(attempt.answer);
    },
  }));
  const log = outcomeLog();
  const plugins = [...(wired.plugins ?? []), side.plugin, log.plugin];
  const wire = await openWire([answering(ok("main")), undefined], { ...wired, plugins });
  const client = await wire.client();
  await client.send(get("/"));
  await within(asked.promise, "the extra attempt is asked for");
  return { wire, side, log, client, attempt: attempt as ExtraAttempt };
}

/** The upstream of the extra attempt, which has its request. */
export async function reached({ wire }: Begun, bytes = ""): Promise<Peer> {
  const peer = await within(at(wire.upstreams, 1).accept(), "the extra attempt connects");
  await peer.request();
  if (bytes !== "") await peer.write(bytes);
  return peer;
}
