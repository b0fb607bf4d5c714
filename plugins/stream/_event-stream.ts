import type { UpstreamHead } from "../../core/index.ts";

/** Whether an answer is server-sent events, and not compressed. */
export function isEventStream({ headers }: UpstreamHead): boolean {
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") return false;
  const type = headers["content-type"];
  return typeof type === "string" && /^text\/event-stream\s*(;|$)/i.test(type);
}
