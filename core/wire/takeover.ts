import { defineHandler, type EventHandler, type H3Event } from "h3";
import { begin } from "../exchange/pipeline.ts";
import { type ActiveExchange, exchangeOf } from "../exchange/exchange.ts";

const noop = (): void => {};

/**
 * Takes a request over from h3: core writes the response itself, and h3 writes nothing. A fresh promise that never
 * settles for each, because one shared promise would hold on to every event that waits for it.
 */
export function takeOver(event: H3Event, run: (x: ActiveExchange) => void): Promise<never> {
  run(exchangeOf(event.runtime?.node?.req as object));
  return new Promise(noop);
}

/** The catch-all of a generation's h3 app. */
export const catchAll: EventHandler = defineHandler((event) => takeOver(event, begin));
