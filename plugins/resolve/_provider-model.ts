import type { Setup, Slot } from "../../core/index.ts";

/** What the upstream of a request calls its model, where no target's view can tell. */
export function upstreamModelOf(proxy: Setup): Slot<string> {
  return proxy.slot<string>("upstream-model");
}
