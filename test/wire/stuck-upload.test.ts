import { expect, test } from "vitest";
import type { ActiveExchange } from "../../core/exchange/exchange.ts";
import { outcomeLog } from "../core/exchange/outcome-log.ts";
import { hooks } from "../core/quick-plugin.ts";
import { eventually } from "../e2e/eventually.ts";
import { postHead } from "./messages.ts";
import { openWire } from "./open-wire.ts";
import { at, within } from "./waiting.ts";

test("a client that is reset inside an upload that its upstream does not read is noticed", async () => {
  const log = outcomeLog();
  let x: ActiveExchange | undefined;
  const wire = await openWire(
    async (peer) => {
      await peer.head();
      peer.stopReading();
      await peer.ending;
    },
    { plugins: [log.plugin, hooks({ request: (now) => void (x = now as ActiveExchange) })] },
  );
  const client = await wire.client();
  const size = 64 * 1_048_576;
  await client.send(postHead("/", size));
  void client.send(Buffer.alloc(size));
  // The proxy reads no more: Node tells it nothing of the client from here on.
  await eventually(() => expect(x?.clientHeld).toBe(true));
  client.reset();
  await within(log.ended(1), "the exchange ends");
  expect(at(log.ends)).toMatchObject({ kind: "client-abort" });
  expect(wire.proxy.status().active).toBe(0);
});
