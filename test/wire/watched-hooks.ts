import { definePlugin, type Exchange, type Plugin, type Setup } from "plugboard";
import { counter, type Counter } from "./waiting.ts";

/** What a plugin of the test sees of requests on their way. */
export interface WatchedHooks {
  readonly plugin: Plugin;
  readonly recovering: Counter;
  readonly admitted: Counter;
  readonly prepared: Counter;
  readonly answered: Counter;
  last: Exchange | undefined;
  setup: Setup | undefined;
}

/** Counts the hooks that requests pass, and keeps the last request. */
export function watchHooks(): WatchedHooks {
  const [recovering, admitted, prepared, answered] = [counter(), counter(), counter(), counter()];
  const watching = definePlugin({
    name: "watching",
    setup(proxy) {
      seen.setup = proxy;
      return {
        admit: () => admitted.add(),
        recover: () => recovering.add(),
        upstreamRequest(x) {
          seen.last = x;
          prepared.add();
        },
        upstreamResponse: () => answered.add(),
      };
    },
  });
  const seen: WatchedHooks = {
    plugin: watching(),
    recovering,
    admitted,
    prepared,
    answered,
    last: undefined,
    setup: undefined,
  };
  return seen;
}
