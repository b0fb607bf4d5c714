import type { Exchange, Plugin, Target, TargetSpec, TransportSink } from "plugboard";
import { quickPlugin } from "./quick-plugin.ts";

export interface MemCall {
  readonly target: Target;
  readonly x: Exchange;
  readonly sink: TransportSink;
  /** Why the proxy gave up; undefined while it did not. */
  aborted: Error | undefined;
}

export type MemAnswer = (call: MemCall) => void;

/** A transport for `mem://` without sockets, and its targets; everything happens within `send`. */
export function memUpstream(answer: MemAnswer = sayOk, targets: readonly TargetSpec[] = [{ url: "mem://a" }]): Plugin {
  return quickPlugin("mem-upstream", (proxy) => {
    proxy.provide("transport", "mem", {
      schemes: ["mem"],
      send(target, x, sink) {
        const call: MemCall = { target, x, sink, aborted: undefined };
        answer(call);
        return { abort: (reason) => void (call.aborted = reason), resume: () => {} };
      },
    });
    proxy.provide("discovery", "mem", { start: (sink) => sink.replace(targets) });
  });
}

/** Answers 200 with the target's id. */
export function sayOk({ target, sink }: MemCall): void {
  sink.connected();
  sink.head(200, { "content-type": "text/plain" });
  sink.data(Buffer.from(target.id));
  sink.end();
}
