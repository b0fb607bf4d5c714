import { must } from "../verdict.mjs";
import { answering, get, ok, rawClient, within } from "../wire.mjs";

/**
 * Sends each case, `[name, bytes]`, on a connection of its own: it must be answered with one of these statuses and the
 * connection must close, and not a byte of it may reach the upstream. Whatever a case hides is named "smuggled", and it
 * is itself named "hostile".
 */
export async function refuseAll(world, cases, list, { statuses = [400], closes = true } = {}) {
  const { upstream, proxy } = await world.pair(answering(ok()));
  for (const [name, bytes] of list) {
    await cases.try(name, async () => {
      const before = upstream.received.length;
      const client = await rawClient(proxy.port);
      try {
        void client.send(bytes);
        const { status } = await within(client.response(), "an answer");
        must(statuses.includes(status), `was answered with ${status}`);
        if (closes) await within(client.ending, "the connection closes");
      } finally {
        client.destroy();
      }
      await mustBeClean(world, proxy, upstream, { hostile: /smuggled|hostile/, before });
    });
  }
}

/** One more request must be served, and the upstream must have seen nothing hostile behind the bytes `before`. */
export async function mustBeClean(world, proxy, upstream, { hostile, before = 0 }) {
  const { status } = await world.exchange(proxy, get("/probe"));
  must(status === 200, `the next request was answered with ${status}`);
  const seen = hostile.exec(upstream.received.toString("latin1", before));
  must(seen === null, `${JSON.stringify(seen?.[0])} reached the upstream`);
}
